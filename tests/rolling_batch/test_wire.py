"""Bytes on DJL's wire, with djl_python of both versions."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from djl_python.inputs import Input

from djl_trtllm.errors import Busy, InvalidRequest
from djl_trtllm.rolling_batch.slot import Reply
from djl_trtllm.rolling_batch.whole import Answer
from djl_trtllm.rolling_batch.wire import MAX_SLOTS, Wire
from tests.support import djl_python
from tests.support.java_side import decode_item

ROOT = Path(__file__).resolve().parents[2]


def items(output) -> list[dict[str, str]]:
    return [decode_item(bytes(value)) for value in output.content.get_values()]


def step_input(size: int, known: int, **properties: str) -> Input:
    inputs = Input()
    inputs.properties.update(batch_size=str(size), handler="handle", **properties)
    for index in range(size):
        if index < known:
            inputs.content.add(key=f"batch_{index:03d}.data", value=bytearray())
        else:
            inputs.properties[f"batch_{index:03d}.Content-Type"] = "application/json"
            inputs.content.add(key=f"batch_{index:03d}.data", value=bytearray(b"body %d" % index))
            inputs.content.add(key=f"batch_{index:03d}.seed", value=bytearray(b"-%d" % index))
    return inputs


def test_replies_become_items_by_position():
    output = Wire().write(
        [None, "middle", Reply("first", content_type="application/jsonlines"), Reply("end", last=True)]
    )
    assert items(output) == [
        {"data": "", "last": "false"},
        {"data": "middle", "last": "false"},
        {"data": "first", "last": "false"},
        {"data": "end", "last": "true"},
    ]
    assert output.properties == {"batch_2_Content-Type": "application/jsonlines"}


def test_an_error_is_a_code_with_last_and_its_headers():
    output = Wire().write([Reply(last=True, error=Busy("Full."), content_type="application/json")])
    assert items(output) == [{"data": "", "last": "true", "code": "503", "error": "Full."}]
    assert output.properties == {"batch_0_Content-Type": "application/json", "batch_0_Retry-After": "1"}


def test_what_was_changed_in_a_request_is_one_ascii_line_of_a_header():
    output = Wire().write([Reply("x", warnings=["Lowered to 5.", "Größe is\nnot known."])])
    assert output.properties == {"batch_0_X-Request-Warnings": "Lowered to 5. Gr??e is not known."}
    whole = Wire().whole([Answer("x", "text/plain", warnings=["Lowered to 5."])])
    assert whole.properties == {"Content-Type": "text/plain", "X-Request-Warnings": "Lowered to 5."}


def test_lmi_answers_424_for_every_error():
    output = Wire(lmi_codes=True).write([Reply(last=True, error=InvalidRequest("No."))])
    assert items(output)[0]["code"] == "424"


def test_a_lone_surrogate_does_not_break_the_step():
    assert items(Wire().write(["a\ud800b"]))[0]["data"] == "a?b"


@pytest.mark.parametrize(("size", "known"), [(1, 0), (3, 3), (5, 2), (MAX_SLOTS, 990), (64, 0)])
def test_arrivals_are_the_indices_past_the_known_ones(size, known):
    step = Wire().read(step_input(size, known), known)
    assert (step.size, step.reset) == (size, False)
    assert [a.body for a in step.arrivals] == [b"body %d" % i for i in range(known, size)]
    assert [a.seed for a in step.arrivals] == [-i for i in range(known, size)]
    assert all(a.header("content-type") == "application/json" for a in step.arrivals)


def test_after_a_reset_everything_listed_is_new():
    step = Wire().read(step_input(3, 0, reset_rollingbatch="true"), active=2)
    assert step.reset
    assert len(step.arrivals) == 3


def test_a_defect_of_ours_is_answered_for_every_request():
    output = Wire().failed(step_input(3, 0), InvalidRequest("Broken."))
    assert [item["code"] for item in items(output)] == ["400"] * 3


def test_a_step_is_a_batch_where_the_options_ask_for_a_rolling_one():
    single = Input()
    single.content.add(key="data", value=bytearray(b"x"))
    batch = step_input(2, 0)
    assert Wire().is_step(batch)
    assert not Wire().is_step(single)
    assert not Wire(rolling=False).is_step(batch), "dynamic batching"
    output = Wire(rolling=False).failed(batch, InvalidRequest("No."))
    assert [json.loads(value)["code"] for value in output.content.get_values()] == [400, 400]


def test_without_rolling_batch_one_error_is_the_calls_own_status():
    wire = Wire()
    inputs = Input()
    inputs.properties["Content-Type"] = "text/plain"
    inputs.content.add(key="data", value=bytearray(b"hello"))
    (arrival,) = wire.single(inputs)
    assert (arrival.body, arrival.header("content-type")) == (b"hello", "text/plain")
    output = wire.whole([Answer(error=InvalidRequest("No."))])
    assert (output.code, output.message) == (400, "No.")
    assert json.loads(output.content.value_at(0))["code"] == 400
    output = wire.whole([Answer("text", "application/json")])
    assert (output.code, bytes(output.content.value_at(0))) == (200, b"text")


@pytest.mark.parametrize("version", ["0.25.0", "0.34.0"])
def test_every_version_reads_what_we_write(version):
    program = """
import json, sys
from djl_trtllm.rolling_batch.slot import Reply
from djl_trtllm.rolling_batch.wire import Wire
from djl_python.outputs import Output
from tests.support.java_side import decode_item
wire = Wire()
long = "\U0001f600" * wire.item_chars if wire.item_chars < 10_000 else "x" * 100_000
out = wire.write([None, "hi", Reply(long, last=True)])
theirs = Output.binary_encode({"data": "hi", "last": "false"})
assert bytes(theirs) == bytes(out.content.value_at(1))
assert decode_item(bytes(out.content.value_at(2)))["data"] == long
from djl_python.inputs import Input
batch = Input()
batch.properties["batch_size"] = "1"
assert Wire(rolling=False).is_step(batch) == (wire.item_chars < 10_000)
print(json.dumps([wire.item_chars, len(out.content.value_at(0))]))
"""
    paths = f"{djl_python.path(version)}:{ROOT}"
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": paths, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    chars, idle = json.loads(result.stdout)
    assert (chars, idle) == ((8191, 23) if version == "0.25.0" else (4 * 1024 * 1024, 31))


@pytest.mark.parametrize("size", ["", "none", "-1", "1000", "2147483648"])
def test_a_count_that_cannot_be_listed_is_refused_and_answered(size):
    wire, inputs = Wire(), step_input(1, 0)
    inputs.properties["batch_size"] = size
    with pytest.raises(ValueError, match=r"int\(\)|batch_size="):
        wire.read(inputs, 0)
    output = wire.failed(inputs, InvalidRequest("No."))
    assert (output.code, output.message) == (400, "No.")
    assert output.content.is_empty()


def test_a_clients_header_makes_no_batch():
    inputs = Input()
    inputs.properties.update({"batch_size": "3", "Content-Type": "text/plain"})
    inputs.content.add(key="data", value=bytearray(b"the sea"))
    (only,) = Wire(rolling=False).single(inputs)
    assert only.body == b"the sea"
    assert only.headers["Content-Type"] == "text/plain"
