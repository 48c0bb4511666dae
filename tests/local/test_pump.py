import asyncio
import threading

import pytest

from djl_trtllm.local import pump as module
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


class Endless:
    """Answers with parts of 100 kB for ever."""

    def __init__(self):
        self.given = 0

    def predict(self, body, headers):
        return self

    def next(self, timeout):
        self.given += 1
        return Part(bytes(100_000), False)


def test_what_a_client_does_not_read_stays_where_it_is_and_a_client_that_never_reads_is_cut(caplog):
    async def scenario():
        source, done, cut = Endless(), [], []
        pump = Pump(source, threads=1, chunk_timeout=0.3, loop=asyncio.get_running_loop())
        stream = Stream(b"x", {}, lambda: done.append(1))
        stream.cut = lambda: cut.append(1)
        pump.start(stream)
        for _ in range(30):
            await stream.next()
        await asyncio.sleep(0.15)
        assert module.BEHIND - 100_000 < stream.behind <= module.BEHIND
        given = source.given
        assert not cut
        for _ in range(5):
            await stream.next()
        await asyncio.sleep(0.1)
        assert source.given == given + 5
        while not done:
            await asyncio.sleep(0.05)
        assert cut
        with pytest.raises(module.SlowReader):
            await collect(stream)

    asyncio.run(scenario())


def test_one_part_may_be_larger_than_the_room():
    async def scenario():
        pump = Pump(Predictor(), threads=1, chunk_timeout=0.5, loop=asyncio.get_running_loop())
        big = bytes(3 * module.BEHIND).replace(b"\0", b"x")
        stream = Stream(big + b" " + big, {}, lambda: None)
        pump.start(stream)
        assert await collect(stream) == big + b" " + big

    asyncio.run(scenario())
