import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch.distributed as dist

from artculture.training.distributed.context import Place
from artculture.training.distributed.process_group import ALONE, World
from artculture.utils.errors import InputError, Interrupted, WorkError


class Dead:
    def death(self) -> str:
        return "the process of device 1 was killed by SIGKILL"


@pytest.fixture
def worlds():
    def make(size: int = 2, local_size: int = 2) -> list[World]:
        store = dist.HashStore()
        return [World(Place(rank, size, rank % local_size, local_size), store) for rank in range(size)]

    return make


def in_each(worlds, work):
    with ThreadPoolExecutor(len(worlds)) as pool:
        return [future.result(10) for future in [pool.submit(work, world) for world in worlds]]


def test_alone_nobody_is_waited_for():
    ALONE.meet("here")
    assert ALONE.in_turn("data", lambda: 1) == 1
    assert ALONE.told("plan", lambda: [2]) == [2]
    assert (ALONE.agree(3, 0), ALONE.gather("x")) == ([3, 0], ["x"])


def test_what_the_first_says_all_hear(worlds):
    assert (
        in_each(worlds(3), lambda world: world.told("plan", lambda: ["start", world.place.rank])) == [["start", 0]] * 3
    )


def test_the_first_goes_ahead_then_one_a_machine_then_the_others(worlds):
    order, lock = [], threading.Lock()

    def work(world):
        with lock:
            order.append(world.place.rank)

    in_each(worlds(4), lambda world: world.in_turn("data", lambda: work(world)))
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
def test_why_one_left_all_say(worlds, error, kind, said):
    first, second = worlds()
    second.fail(error)
    with pytest.raises(kind, match=said):
        first.meet("start")
    told = first.explained(RuntimeError("[gloo] Connection closed by peer"))
    assert type(told) is kind
    # whoever meets it too says nothing anew
    first.fail(told)
    with pytest.raises(RuntimeError, match="mine"):
        raise second.explained(RuntimeError("mine"))


def test_a_death_is_noticed_while_waiting(worlds):
    first, _ = worlds()
    first.processes = Dead()
    with pytest.raises(WorkError, match="device 1 was killed by SIGKILL: launch again"):
        first.meet("start")


def test_an_error_of_ones_own_stays(worlds):
    error = RuntimeError("shapes do not match")
    assert worlds()[0].explained(error) is error
