import pytest
import yaml

from artculture.utils.errors import InputError
from artculture.utils.yaml_files import MAX_BYTES, read_yaml

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "more than 100,000 values, with its aliases written out"),
        (MERGES, "more than 100,000 values"),
        ("a: &a [*a]\n", "an alias inside what it stands for"),
        ("[" * 5000, "is not readable YAML"),
        ("a: " + "x" * MAX_BYTES, "more than 4 MB"),
        ("a: !!python/object/apply:os.system [true]\n", "is not readable YAML"),
        ("a: 2026-02-31\n", "is not readable YAML"),
    ],
)
def test_a_hostile_file_is_one_error(tmp_path, text, said):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(InputError, match=said):
        read_yaml(tmp_path / "config.yaml")


def test_what_is_written_is_read(tmp_path):
    shared = [1, 2]
    values = {"a": shared, "b": shared, "c": {"d": None, "e": "ü"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values, allow_unicode=True))
    assert "&id001" in (tmp_path / "config.yaml").read_text()
    assert read_yaml(tmp_path / "config.yaml") == values
