import time
from types import SimpleNamespace

import pytest

from djl_trtllm.local.engine import Answer, ChunkTimeout, load_sentence


class StateError(Exception):
    def getMessage(self):  # noqa: N802  Java's name
        return self.args[0]


class Chunks:
    """Stands in for Java's ChunkedBytesSupplier; a number waits so many polls."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)

    def nextChunk(self, timeout, unit):  # noqa: N802
        if isinstance(self.pieces[0], int):
            self.pieces[0] -= 1
            if self.pieces[0] < 0:
                del self.pieces[0]
            else:
                time.sleep(timeout / 1000)
                raise StateError("Read chunk timeout.")
        piece = self.pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def hasNext(self):  # noqa: N802
        return bool(self.pieces)


def answer(data, code=200, message="OK", properties=(), closed=False, handed_out=lambda: None):
    entries = [SimpleNamespace(getKey=lambda k=k: k, getValue=lambda v=v: v) for k, v in properties]
    output = SimpleNamespace(
        getData=lambda: data,
        getCode=lambda: code,
        getMessage=lambda: message,
        getProperties=lambda: SimpleNamespace(entrySet=lambda: entries),
    )
    engine = SimpleNamespace(
        chunked_type=Chunks,
        milliseconds="ms",
        state_error=StateError,
        closed=closed,
        handed_out=handed_out,
    )
    return Answer(engine, output)


def test_a_whole_answer():
    part = answer(SimpleNamespace(getAsBytes=lambda: b"all"), properties=[("X-A", "1")]).next(1)
    assert (part.data, part.last, part.status, part.headers) == (b"all", True, 200, {"X-A": "1"})
    assert answer(None, 404, "Nothing").next(1).reason == "Nothing"


def test_chunks_with_the_head_on_the_first():
    one = answer(Chunks(b"a", b"b"), 201, "Made", [("X-A", "1")])
    first, second = one.next(1), one.next(1)
    assert (first.data, first.last, first.status, first.reason, first.headers) == (
        b"a",
        False,
        201,
        "Made",
        {"X-A": "1"},
    )
    assert (second.data, second.last, second.headers) == (b"b", True, {})


def test_the_last_chunk_is_announced_before_it_arrives():
    chunks, on_its_way = Chunks(b"a"), [b"b"]

    def handed_out():
        chunks.pieces, on_its_way[:] = on_its_way[:], []

    late = answer(chunks, handed_out=handed_out)
    assert [(part.data, part.last) for part in (late.next(1), late.next(1))] == [(b"a", False), (b"b", True)]


def test_a_chunk_may_take_longer_than_one_poll(monkeypatch):
    monkeypatch.setattr("djl_trtllm.local.engine.POLL_SECONDS", 0.01)
    assert answer(Chunks(3, b"a")).next(5).data == b"a"


def test_the_chunk_timeout(monkeypatch):
    monkeypatch.setattr("djl_trtllm.local.engine.POLL_SECONDS", 0.01)
    begin = time.monotonic()
    with pytest.raises(ChunkTimeout):
        answer(Chunks(1000, b"a")).next(0.1)
    assert 0.08 < time.monotonic() - begin < 1
    with pytest.raises(ChunkTimeout):
        answer(Chunks(1000, b"a"), closed=True).next(60)


def test_another_state_error_is_not_a_timeout():
    with pytest.raises(StateError, match="broken"):
        answer(Chunks(StateError("broken"))).next(1)


class JavaError(Exception):
    def __init__(self, message, cause=None):
        self.message, self.cause = message, cause

    def getMessage(self):  # noqa: N802
        return self.message

    def getCause(self):  # noqa: N802
        return self.cause

    def getClass(self):  # noqa: N802
        return SimpleNamespace(getSimpleName=lambda: "JavaError")


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (JavaError("Failed to initialize model: No such option.\nSee above."), "No such option. See above."),
        (JavaError("outer", JavaError("inner", JavaError(None))), "inner"),
        (JavaError(None), "JavaError"),
    ],
)
def test_the_sentence_of_a_failed_load(problem, sentence):
    assert load_sentence(problem) == sentence
