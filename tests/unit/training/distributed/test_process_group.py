import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch.distributed as dist

from artculture.training.distributed.context import DistributedContext
from artculture.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from artculture.utils.errors import InputError, Interrupted, WorkError


class Dead:
    def death(self) -> str:
        return "the process of device 1 was killed by SIGKILL"


@pytest.fixture
def groups():
    def make(size: int = 2, local_world_size: int = 2) -> list[ProcessGroup]:
        store = dist.HashStore()
        return [
            ProcessGroup(DistributedContext(rank, size, rank % local_world_size, local_world_size), store)
            for rank in range(size)
        ]

    return make


def in_each(groups, work):
    with ThreadPoolExecutor(len(groups)) as pool:
        return [future.result(10) for future in [pool.submit(work, process_group) for process_group in groups]]


def test_alone_nobody_is_waited_for():
    SINGLE_PROCESS.barrier("here")
    assert SINGLE_PROCESS.main_process_first("data", lambda: 1) == 1
    assert SINGLE_PROCESS.broadcast("plan", lambda: [2]) == [2]
    assert (SINGLE_PROCESS.all_reduce_max(3, 0), SINGLE_PROCESS.all_gather("x")) == ([3, 0], ["x"])


def test_what_the_first_says_all_hear(groups):
    assert (
        in_each(
            groups(3),
            lambda process_group: process_group.broadcast("plan", lambda: ["start", process_group.context.rank]),
        )
        == [["start", 0]] * 3
    )


def test_the_first_goes_ahead_then_one_a_machine_then_the_others(groups):
    order, lock = [], threading.Lock()

    def work(process_group):
        with lock:
            order.append(process_group.context.rank)

    in_each(groups(4), lambda process_group: process_group.main_process_first("data", lambda: work(process_group)))
    assert order[:2] == [0, 2]
    assert set(order[2:]) == {1, 3}


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (InputError("no such folder"), InputError, r"no such folder \(device 1\)"),
        (WorkError("no memory"), WorkError, r"no memory \(device 1\)"),
        (ValueError("a bug"), WorkError, r"a bug \(device 1\)"),
        (Interrupted("SIGUSR1"), Interrupted, "interrupted by SIGUSR1"),
    ],
)
def test_why_one_left_all_say(groups, error, kind, said):
    first, second = groups()
    second.report_failure(error)
    with pytest.raises(kind, match=said):
        first.barrier("start")
    mapped = first.map_error(RuntimeError("[gloo] Connection closed by peer"))
    assert type(mapped) is kind
    # whoever meets it too says nothing more
    first.report_failure(mapped)
    with pytest.raises(RuntimeError, match="mine"):
        raise second.map_error(RuntimeError("mine"))


def test_a_death_is_noticed_while_waiting(groups):
    first, _ = groups()
    first.processes = Dead()
    with pytest.raises(WorkError, match="device 1 was killed by SIGKILL: run the command again"):
        first.barrier("start")


def test_an_error_of_ones_own_stays(groups):
    error = RuntimeError("shapes do not match")
    assert groups()[0].map_error(error) is error
