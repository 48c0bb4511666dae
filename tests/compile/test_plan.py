import dataclasses

import pytest

from djl_trtllm.compile.plan import canonical, content, differences
from tests.support.plans import plan


def test_canonical_json_does_not_depend_on_order() -> None:
    assert (
        canonical({"b": 1, "a": ["é", None]})
        == canonical({"a": ["é", None], "b": 1})
        == b'{"a":["\\u00e9",null],"b":1}'
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(float("nan"))


def test_differences_are_words() -> None:
    old = plan(quantize="int8")
    new = dataclasses.replace(
        plan("other", calib_size=32),
        world_size=2,
        versions={"openvino": "2", "nncf": "3"},
        inputs={"model.safetensors": "other", "tokenizer.json": "x"},
    )
    assert differences(content(old), content(new)) == [
        "the number of ranks is 2 and was 1",
        "option calib_size is 32 and was not set",
        "option quantize is not set and was int8",
        "the version of openvino is 2 and was 1",
        "the file model.safetensors is changed",
        "the file tokenizer.json is new",
        "the file config.json is gone",
    ]
    assert differences(content(old), content(old)) == []


def test_our_own_code_is_named_as_such() -> None:
    old, new = (content(dataclasses.replace(plan(), versions={"recipe": digest})) for digest in ("a1", "b2"))
    assert differences(old, new) == ["the code of this package that builds is b2 and was a1"]
