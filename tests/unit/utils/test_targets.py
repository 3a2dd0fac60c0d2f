import pytest

from artculture.utils.errors import InputError
from artculture.utils.targets import check_target, foreign_targets, instantiate, locate, targets_in

MODULE = """
class Loss:
    def __init__(self, classes, gamma=2.0, *, inner=None):
        self.classes, self.gamma, self.inner = classes, gamma, inner

def anything(**values):
    return values

def typed(
    every: int, rate: "float | None" = None, size: int | None = None, on: bool = True,
    text: str | int = "", sizes: list[int] = (),
):
    return every

number = 3
"""


@pytest.fixture(autouse=True)
def own_package(tmp_path, monkeypatch):
    (tmp_path / "targets_of_a_user.py").write_text(MODULE)
    (tmp_path / "broken_package.py").write_text("raise OSError('no license key')")
    monkeypatch.syspath_prepend(tmp_path)


def node(name="Loss", **arguments):
    return {"_target_": f"targets_of_a_user.{name}", **arguments}


def test_a_right_node_has_no_mistakes():
    assert check_target(node(gamma=1.0), given=["classes"]) == []
    assert check_target(node(gamma=1.0), positional=1) == []
    assert check_target(node("anything", whatever=1)) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (node(gama=1.0), "no argument `gama`: did you mean `gamma`"),
        (node(classes=3), "no argument `classes`"),
        ({"_target_": "targets_of_a_user.Los"}, "`targets_of_a_user` has no `Los`: did you mean `Loss`?"),
        ({"_target_": "no_such_package.Loss"}, "must be installed, or lie in the folder"),
        ({"_target_": "broken_package.Loss"}, "no license key"),
        ({"_target_": "targets_of_a_user.number"}, "is a int, not a class or function"),
        ({"_target_": 3}, "give the dotted name"),
    ],
)
def test_a_mistake_is_named(wrong, words):
    (mistake,) = check_target(wrong, given=["classes"])
    assert words in mistake


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"every": "two"}, ["takes a whole number as `every`, not 'two'"]),
        ({"every": 1.5}, ["takes a whole number as `every`, not 1.5"]),
        ({"every": 2, "size": "big"}, ["takes a whole number as `size`, not 'big'"]),
        ({"every": 2, "on": "yes please"}, ["takes true or false as `on`, not 'yes please'"]),
        ({"every": 2.0, "rate": 1, "size": None, "on": False, "text": "x"}, []),
        ({"every": {"_target_": "builtins.int"}, "size": [1], "sizes": "1"}, []),
    ],
)
def test_text_where_the_signature_has_a_number_is_named(arguments, words):
    mistakes = check_target(node("typed", **arguments))
    assert len(mistakes) == len(words)
    assert all(word in mistake for word, mistake in zip(words, mistakes, strict=True))


def test_a_missing_argument_is_named_unless_the_node_is_partial():
    assert check_target(node()) == ["`targets_of_a_user.Loss` needs the argument `classes`"]
    assert check_target(node(_partial_=True)) == []


def test_a_node_is_instantiated_with_what_the_program_adds():
    made = instantiate(node(gamma=1.5, inner=node("anything", a=1)), classes=["x"])
    assert (made.classes, made.gamma, made.inner) == (["x"], 1.5, {"a": 1})


def test_a_target_that_refuses_is_an_input_error():
    with pytest.raises(InputError, match=r"targets_of_a_user\.Loss` can't be instantiated"):
        instantiate(node(nothing=1), classes=[])
    with pytest.raises(InputError, match="has no `Missing`"):
        locate("targets_of_a_user.Missing")


def test_targets_are_found_at_any_depth():
    values = {"loss": node(inner=node("anything")), "list": [{"x": {"_target_": "torch.nn.ReLU"}}]}
    assert [key for key, _ in targets_in(values)] == ["loss", "loss.inner", "list.0.x"]
    assert foreign_targets(values) == ["targets_of_a_user.Loss", "targets_of_a_user.anything"]
    assert foreign_targets(values, trusted=["targets_of_a_user"]) == []


@pytest.mark.parametrize(
    "target",
    ["torch.hub.load", "torch.load", "torch.nn.modules.module.torch.hub.load", "artculture.cli.main", "os.system"],
)
def test_only_classes_that_do_nothing_but_build_are_safe(target):
    assert foreign_targets({"loss": {"_target_": target}}) == [target]
    assert (
        foreign_targets({"loss": {"_target_": "torch.nn.MultiMarginLoss"}, "o": {"_target_": "torch.optim.SGD"}}) == []
    )
