"""Guides are compiled in a thread, the interpreter free meanwhile, and are let go of in time."""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import Any

import pytest

from djl_trtllm.engines.openvino.child import structured_output
from djl_trtllm.engines.openvino.guides import compiler as guide_compiler
from djl_trtllm.engines.openvino.guides.compiler import GuideCompiler
from djl_trtllm.engines.openvino.guides.files import DIRECTORY, PROBE
from djl_trtllm.engines.openvino.messages import REGEX, Bound
from tests.support.collector import TIMEOUT
from tests.support.engines import compiled

pytestmark = pytest.mark.compile

SLOW = Bound(REGEX, "([a-z]{1,60} ){1,8}[^x]{1,60}")


@pytest.fixture(scope="module")
def compiler() -> GuideCompiler:
    import openvino_genai as genai

    directory = compiled("llama").path / DIRECTORY

    def config(guide: Bound | None) -> Any:
        values: dict[str, Any] = {"max_new_tokens": 1, "stop_token_ids": {2}}
        if guide is not None:
            values["structured_output_config"] = structured_output(guide)
        return genai.GenerationConfig(**values)

    return GuideCompiler(str(directory), str(directory / PROBE), genai.Tokenizer(str(directory)), config)


def run(compiler: GuideCompiler, guide: Bound) -> bool:
    done: queue.SimpleQueue[bool] = queue.SimpleQueue()
    compiler.begin(guide, done.put)
    return done.get(timeout=TIMEOUT)


def test_a_guide_is_there_once_it_is_compiled(compiler: GuideCompiler) -> None:
    guide = Bound(REGEX, "[a-c]{2}")
    assert not compiler.has(guide)
    assert run(compiler, guide)
    assert compiler.has(guide)


def test_one_that_cannot_be_compiled_is_told_and_not_quoted(
    compiler: GuideCompiler, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert not run(compiler, Bound(REGEX, "(secret"))
    assert "could not be compiled" in caplog.text
    assert "secret" not in caplog.text
    assert run(compiler, Bound(REGEX, "a"))


def test_other_threads_go_on_meanwhile(compiler: GuideCompiler) -> None:
    done = threading.Event()
    began = time.monotonic()
    compiler.begin(SLOW, lambda good: done.set())
    turns = 0
    while not done.is_set():
        time.sleep(0.001)
        turns += 1
    seconds = time.monotonic() - began
    assert turns > 20 * seconds, f"{turns} turns in {seconds:.2f} s"


def test_only_so_many_are_kept(compiler: GuideCompiler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guide_compiler, "_KEPT", 3)
    guides = [Bound(REGEX, f"number {n}") for n in range(8)]
    for guide in guides:
        assert run(compiler, guide)
    assert sum(map(compiler.has, guides)) <= 3
    assert compiler.has(guides[-1])
    assert run(compiler, guides[0])
