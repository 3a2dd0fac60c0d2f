import pytest

from artculture.utils.http.nested_json import DeepJSONError, parse_json


def nested(depth: int) -> str:
    return '{"a":[' * (depth // 2) + ("[" + "]" if depth % 2 else "") + "]}" * (depth // 2)


@pytest.mark.parametrize("depth", [1, 2, 9, 10])
def test_json_within_the_depth_is_read(depth):
    parse_json(nested(depth), 10)


@pytest.mark.parametrize("depth", [11, 12, 500, 200_000])
def test_deeper_json_is_refused(depth):
    with pytest.raises(DeepJSONError, match="more than 10 levels"):
        parse_json(nested(depth), 10)


@pytest.mark.parametrize("text", ["NaN", '{"a": Infinity}', "[1", "", "1" * 5000])
def test_other_text_is_no_json(text):
    with pytest.raises(ValueError, match=r".") as raised:
        parse_json(text, 10)
    assert not isinstance(raised.value, DeepJSONError)
