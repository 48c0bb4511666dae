"""DJL's rolling-batch bytes: what a step's `Input` says, and an `Output` it accepts.

Read from djl_python and RollingBatch.java, 0.25 to 0.36. An item is a count and (key, value) strings, each with its
length in front: two bytes in 0.25, four from 0.26 on, big endian. Which one is asked of djl_python itself, once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial

from djl_python.inputs import Input
from djl_python.outputs import Output

from djl_trtllm.errors import DjlTrtllmError, wire_line
from djl_trtllm.formats.errors import error_body
from djl_trtllm.rolling_batch.admit import Arrival
from djl_trtllm.rolling_batch.items import Frames, items
from djl_trtllm.rolling_batch.loop import Step
from djl_trtllm.rolling_batch.slot import Replies, Reply
from djl_trtllm.rolling_batch.whole import Answer

MAX_SLOTS = 999
"""Item names hold the index in three digits, so DJL can list no more."""

WARNINGS_HEADER = "X-Request-Warnings"
"""Says what was changed or ignored in a request. DJL 0.25 drops it, as every header of an item."""

_COPIED = 64 * 1024
"""Bytes of a body up to which it is copied; a larger one stays the bytearray that djl_python has read it into."""

_SMALL = 1024
"""Items with fewer bytes of text, which nearly all are, have their beginning ready."""

_PREFIXES = tuple(f"batch_{index:03d}." for index in range(MAX_SLOTS))
_PREFIX = len(_PREFIXES[0])


class Wire:
    """Reads calls and encodes replies for the djl_python that is installed.

    `lmi_codes` answers every error with LMI's 424. `rolling` says that the options ask for a rolling batch.
    """

    def __init__(self, *, lmi_codes: bool = False, rolling: bool = True) -> None:
        probe = Output.binary_encode({"": ""})
        self._length = struct.Struct(">h" if len(probe) == 6 else ">i")
        self._status: Callable[[DjlTrtllmError], int] = _lmi_status if lmi_codes else _http_status
        # DJL 0.25.0 drives a rolling batch for any value of the option, "disable" included (observed).
        self._rolling = rolling or self._length.size == 2
        text, last, running = self._string("data"), self._string("last"), self._string("false")
        self._head = struct.pack(">h", 2) + text
        self._more = last + running
        self._last = last + self._string("true")
        heads = [self._head + self._length.pack(size) for size in range(_SMALL)]
        self._frames = Frames(heads, self._more, self._head + self._string("") + self._more)
        self._steady = Step(0)
        """The last step that brought nothing new: most are as the one before."""
        self._keys: list[str] = [f"batch_{i}.data" for i in range(MAX_SLOTS)]

    @property
    def item_chars(self) -> int:
        """Characters that fit into one item whatever they are: UTF-8 takes at most four bytes for one.

        Two-byte lengths end at 32,767 bytes; Java refuses items over 20 MiB (observed on 0.34.0).
        """
        return 32767 // 4 if self._length.size == 2 else 4 * 1024 * 1024

    def is_step(self, inputs: Input) -> bool:
        """Whether a call is a step of a rolling batch; otherwise it wants whole answers, to one request or several."""
        return self._rolling and "batch_size" in inputs.properties

    def read(self, inputs: Input, active: int) -> Step:
        """Understand one step, given how many requests the loop thinks are listed already."""
        properties = inputs.properties
        size = int(properties["batch_size"])
        reset = "reset_rollingbatch" in properties
        known = 0 if reset else active
        if size == known:
            if size != self._steady.size:
                self._steady = Step(size)
            return self._steady
        if not 0 <= size <= MAX_SLOTS:
            raise ValueError(f"batch_size={size}, where 0 to {MAX_SLOTS} can be listed")
        return Step(size, _arrivals(inputs, known, size), reset)

    def write(self, replies: Replies) -> Output:
        """Make the `Output` of a step; items go by position, headers as `batch_<i>_<name>` properties."""
        output = Output()
        made = items(replies, self._frames, self._odd, partial(self._item, output))
        content = output.content
        content.keys, content.values = self._keys[: len(made)], made
        return output

    def failed(self, inputs: Input, error: DjlTrtllmError) -> Output:
        """Answer every request of a call with `error`: the way out of a defect of ours."""
        size = _listed(inputs)
        if size is None:
            return Output(code=self._status(error), message=error.wire_text())
        if self.is_step(inputs):
            return self.write([Reply(last=True, error=error)] * size)
        return self.whole([Answer(error=error)] * size)

    def single(self, inputs: Input) -> list[Arrival]:
        """The requests of one call without rolling batch: DJL sends one, or several under dynamic batching."""
        # Without a rolling batch a client's headers are properties as they are, one named batch_size too.
        if not any((name or "").startswith("batch_") for name in inputs.content.keys):
            return [_request(inputs)]
        return [_request(item) for item in inputs.get_batches()]

    def whole(self, answers: Sequence[Answer]) -> Output:
        """Make the `Output` of a call without rolling batch. One error alone becomes the call's own status."""
        output = Output()
        batched = len(answers) > 1
        for index, answer in enumerate(answers):
            text, content_type = answer.text, answer.content_type
            if answer.error is not None:
                text, content_type = error_body(answer.error), "application/json"
                if not batched:
                    output = Output(code=self._status(answer.error), message=answer.error.wire_text())
            output.add_property("Content-Type", content_type)
            if answer.warnings:
                output.add_property(WARNINGS_HEADER, wire_line(answer.warnings))
            output.add(text, key="data", batch_index=index if batched else None)
        return output

    def _item(self, output: Output, index: int, reply: Reply) -> bytes:
        if reply.content_type:
            output.add_property(f"batch_{index}_Content-Type", reply.content_type)
        if reply.warnings:
            output.add_property(f"batch_{index}_{WARNINGS_HEADER}", wire_line(reply.warnings))
        if reply.error is not None:
            if reply.error.retry_after is not None:
                output.add_property(f"batch_{index}_Retry-After", str(reply.error.retry_after))
            return self._error(reply.error)
        data = _utf8(reply.data)
        return self._opening(len(data)) + data + (self._last if reply.last else self._more)

    def _odd(self, text: str) -> bytes:
        """The item of a text in mid-stream that is long, or not all characters."""
        data = _utf8(text)
        return self._opening(len(data)) + data + self._more

    def _opening(self, size: int) -> bytes:
        return self._head + self._length.pack(size)

    def _error(self, error: DjlTrtllmError) -> bytes:
        pairs = {"data": "", "last": "true", "code": str(self._status(error)), "error": error.wire_text()}
        return struct.pack(">h", len(pairs)) + b"".join(
            self._string(key) + self._string(value) for key, value in pairs.items()
        )

    def _string(self, text: str) -> bytes:
        data = _utf8(text)
        return self._length.pack(len(data)) + data


def _utf8(text: str) -> bytes:
    """UTF-8, with a question mark for what is no character: a lone surrogate must not cost the whole step."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _http_status(error: DjlTrtllmError) -> int:
    return error.status


def _lmi_status(_: DjlTrtllmError) -> int:
    return 424


def _arrivals(inputs: Input, known: int, size: int) -> Sequence[Arrival]:
    """The listed requests from index `known` on; an index without a body arrives with an empty one."""
    fresh = range(known, size)
    by_prefix = {_PREFIXES[index]: index for index in fresh}
    bodies: dict[int, bytes] = dict.fromkeys(fresh, b"")
    seeds: dict[int, int | None] = {}
    headers: dict[int, dict[str, str]] = {index: {} for index in fresh}
    content = inputs.content
    for name, value in zip(content.keys, content.values, strict=True):
        at = by_prefix.get(name[:_PREFIX])
        if at is None:
            continue
        if name.endswith(".seed"):
            seeds[at] = _seed(value)
        elif name.endswith(".data") or not bodies[at]:
            bodies[at] = bytes(value) if len(value) <= _COPIED else value
    for name, text in inputs.properties.items():
        at = by_prefix.get(name[:_PREFIX])
        if at is not None:
            headers[at][name[_PREFIX:]] = text
    return [Arrival(bodies[i], headers[i], seeds.get(i)) for i in fresh]


def _listed(inputs: Input) -> int | None:
    """How many requests a call lists; None where it does not say a number that can be answered."""
    try:
        size = int(inputs.properties.get("batch_size", 1))
    except ValueError:
        return None
    return size if 0 <= size <= MAX_SLOTS else None


def _seed(value: bytes) -> int | None:
    try:
        return int(bytes(value))
    except ValueError:
        return None


def _request(item: Input) -> Arrival:
    body = item.content.get("data")
    if body is None and not item.content.is_empty():
        body = item.content.value_at(0)
    headers = {name: text for name, text in item.properties.items() if isinstance(text, str)}
    return Arrival(bytes(body or b""), headers)
