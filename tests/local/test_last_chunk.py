"""DJL announces a last chunk before it queues it: the front waits for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from djl_trtllm.local import last_chunk, workspace

ECHO = Path(__file__).parents[1] / "support" / "echo_model"
STAGED = """
import os, sys, threading, time
from pathlib import Path
from djl_trtllm.local import jars, jvm
from djl_trtllm.local.engine import Answer, Engine

version, model, scratch, cache = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
os.environ["PYTHON_EXECUTABLE"] = sys.executable
jvm.start(jars.class_path(version, cache / "jars", print), scratch, 2)
engine = Engine()
engine.load(model, "Python", {"rolling_batch": "auto", "max_rolling_batch_size": "2"})
import jpype

def field(owner, name):
    declared = owner.getClass().getDeclaredField(name)
    declared.setAccessible(True)
    return declared.get(owner)

predictor = engine._predictor
batch = field(predictor if version == "0.25.0" else field(predictor, "process"), "rollingBatch")
lock, chunks = field(batch, "lock"), engine.chunked_type()
output = jpype.JClass("ai.djl.modality.Output")(200, "OK")
output.add(jpype.JClass("ai.djl.ndarray.BytesSupplier").wrap("unused"))
chunks.appendContent(jpype.JArray(jpype.JByte)(b"one"), False)
announced = threading.Event()

def hand_out():
    lock.lock()
    field(chunks, "completed").set(True)
    announced.set()
    time.sleep(0.3)
    field(chunks, "queue").offer(jpype.JClass("ai.djl.ndarray.BytesSupplier").wrap("two"))
    lock.unlock()

threading.Thread(target=hand_out).start()
announced.wait()
answer = Answer(engine, output)
answer._data, answer._chunked = chunks, True
parts = [answer.next(5), answer.next(5)]
print([(part.data, part.last) for part in parts])
engine.close()
jvm.stop()
"""


@pytest.mark.e2e
@pytest.mark.parametrize("djl", ["0.34.0", "0.25.0"])
def test_a_chunk_that_djl_has_announced_is_waited_for(tmp_path: Path, djl: str) -> None:
    cache = workspace.cache_root(os.environ)
    ran = subprocess.run(
        [sys.executable, "-c", STAGED, djl, str(ECHO), str(tmp_path), str(cache)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "[(b'one', False), (b'two', True)]"


def test_without_a_rolling_batch_it_waits_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    bare = SimpleNamespace(getClass=lambda: SimpleNamespace(getDeclaredFields=list))
    last_chunk.handed_out(bare)()
    assert slept == [last_chunk.GRACE_SECONDS]
