import asyncio
import threading

import pytest

from djl_trtllm.local.engine import Part
from djl_trtllm.local.pump import Pump, Stream


class Source:
    def __init__(self, texts):
        self.texts = list(texts)

    def next(self, timeout):
        text = self.texts.pop(0)
        if isinstance(text, Exception):
            raise text
        return Part(text, not self.texts)


class Predictor:
    """Answers with the pieces of the body; remembers the threads that asked."""

    def __init__(self):
        self.threads = set()

    def predict(self, body, headers):
        self.threads.add(threading.get_ident())
        if body == b"refuse":
            raise ValueError("refused")
        return Source([*body.split(), KeyError("broken")] if "break" in headers else body.split())


async def collect(stream):
    parts = []
    while not parts or not parts[-1].last:
        parts.append(await stream.next())
    return b" ".join(part.data for part in parts)


def test_streams_come_whole_and_threads_are_reused():
    async def scenario():
        predictor, done = Predictor(), []
        pump = Pump(predictor, threads=3, chunk_timeout=1, loop=asyncio.get_running_loop())
        for round_ in range(20):
            streams = [Stream(b"a%d b c" % n, {}, lambda: done.append(1)) for n in range(3)]
            for stream in streams:
                pump.start(stream)
            answers = await asyncio.gather(*map(collect, streams))
            assert answers == [b"a0 b c", b"a1 b c", b"a2 b c"]
            while len(done) < 3 * (round_ + 1):
                await asyncio.sleep(0)
        assert len(predictor.threads) <= 3

    asyncio.run(scenario())


def test_an_exception_ends_its_stream_alone():
    async def scenario():
        done = []
        pump = Pump(Predictor(), threads=2, chunk_timeout=1, loop=asyncio.get_running_loop())
        refused, broken = (
            Stream(b"refuse", {}, lambda: done.append(1)),
            Stream(b"a", {"break": "1"}, lambda: done.append(2)),
        )
        pump.start(refused)
        pump.start(broken)
        with pytest.raises(ValueError, match="refused"):
            await refused.next()
        assert (await broken.next()).data == b"a"
        with pytest.raises(KeyError):
            await broken.next()
        while len(done) < 2:
            await asyncio.sleep(0)
        assert sorted(done) == [1, 2]

    asyncio.run(scenario())


def test_an_abandoned_stream_is_read_to_its_end():
    async def scenario():
        done = asyncio.Event()
        pump = Pump(Predictor(), threads=1, chunk_timeout=1, loop=asyncio.get_running_loop())
        pump.start(Stream(b"a b c", {}, done.set))
        await asyncio.wait_for(done.wait(), 5)

    asyncio.run(scenario())
