"""What ends what: stall_timeout and the timeouts of DJL around it."""

from __future__ import annotations

from collections.abc import Iterator

from djl_trtllm.doctor.finding import Finding, note, ok
from djl_trtllm.doctor.subject import Subject
from djl_trtllm.telemetry.stall import END_AFTER

NAME = "timeouts"


def examine(subject: Subject) -> Iterator[Finding]:
    """Say what an engine or a step that hangs would come to."""
    stall, predict = subject.options.stall_timeout, subject.options.predict_timeout
    ended = stall + END_AFTER
    if not stall:
        yield note(
            NAME,
            "stall_timeout=0: an engine that hangs keeps its requests, and a step that hangs is ended by DJL-Serving"
            f" after predict_timeout={predict}, without a word of where.",
            "Set option.stall_timeout=60.",
        )
    elif ended >= predict:
        yield note(
            NAME,
            f"stall_timeout={stall}: a step that hangs would be ended after {ended:g} s, and DJL-Serving ends it after"
            f" predict_timeout={predict}, maybe before its stacks are in the log.",
            f"Set option.predict_timeout to more than {ended:g}, or lower option.stall_timeout.",
        )
    else:
        yield ok(
            NAME,
            f"An engine that hangs for stall_timeout={stall} s is opened again; a step that hangs is ended after"
            f" {ended:g} s, before predict_timeout={predict}.",
        )
    given = subject.given("chunked_read_timeout", "SERVING_CHUNKED_READ_TIMEOUT")
    if stall and given.isdecimal() and int(given) <= stall:
        yield note(
            NAME,
            f"chunked_read_timeout={given} is not more than stall_timeout={stall}: clients of an engine that hangs are"
            " cut off before they are told.",
            f"Set chunked_read_timeout to more than {stall}, or lower option.stall_timeout.",
        )
