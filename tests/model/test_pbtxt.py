import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.model import pbtxt

TRITON = """
# A comment, and what Triton writes
name: "tensorrt_llm"
backend: 'tensorrtllm'
max_batch_size: 128
model_transaction_policy { decoupled: True }
input [
  { name: "input_ids" data_type: TYPE_INT32 dims: [ -1 ] allow_ragged_batch: true },
  { name: "input_lengths", dims: [ 1 ], reshape: { shape: [ ] } }
]
instance_group [ { count: 1; kind : KIND_CPU } ]
parameters: {
  key: "max_beam_width"
  value: { string_value: "1" }
}
parameters < key: "engine_dir" value < string_value: "${engine_dir}" > >
other_batch_size: ${triton_max_batch_size}
"""


def test_a_file_of_triton() -> None:
    message = pbtxt.parse(TRITON)
    assert message.value("name") == "tensorrt_llm"
    assert message.value("backend") == "tensorrtllm"
    assert message.value("max_batch_size") == "128"
    assert message.messages["model_transaction_policy"][0].value("decoupled") == "True"
    first, second = message.messages["input"]
    assert (first.value("name"), first.values["dims"], first.value("data_type")) == (
        "input_ids",
        ["-1"],
        "TYPE_INT32",
    )
    assert (second.value("name"), second.messages["reshape"][0].values) == ("input_lengths", {})
    assert message.messages["instance_group"][0].value("kind") == "KIND_CPU"
    beams, engine = message.messages["parameters"]
    assert beams.messages["value"][0].value("string_value") == "1"
    assert engine.messages["value"][0].value("string_value") is None
    assert message.value("other_batch_size") is None


def test_texts_have_escapes_and_neighbours_are_one() -> None:
    message = pbtxt.parse(r"""a: "x\"y\n" 'z\x41\101' b: "#no comment" a: "last" """)
    assert message.values == {"a": ['x"y\nzAA', "last"], "b": ["#no comment"]}
    assert message.value("a") == "last"
    assert message.value("nothing") is None


def test_an_empty_file_has_no_fields() -> None:
    assert pbtxt.parse(" # nothing\n") == pbtxt.Message()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nparameters {\n key: 'x'\n", "line 4: the file ends and '}' is missing"),
        ("a: {b: 1>", "line 1: '>' is not expected here"),
        ("a: 1 }", "line 1: '}' is not expected here"),
        ("a\n:\n", "line 3: the file ends too early"),
        ("a 1", "line 1: '1' is not expected here"),
        ("a: ]", "']' is not expected"),
        ("a: [1 2]", "'2' is not expected"),
        ("a: [1,", "the file ends too early"),
        ('a: 1\n\nb: "open\n', "line 3: '\"open' is not understood"),
        ("a: {" * 100, "nested more than 64 deep"),
        ("a: " + "[" * 5000, "'[' is not expected"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(").replace("[", r"\[")):
        pbtxt.parse(text)


@given(st.text(alphabet="ab:{}<>[],;\"'#\\$ \n1-", max_size=60))
def test_no_text_does_anything_but_parse_or_raise_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(pbtxt.parse(text), pbtxt.Message)
