"""The real process that checks guides: its verdicts, its limits, its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from djl_trtllm.engines.openvino.guides import messages as g
from djl_trtllm.engines.openvino.guides.checks import MEMORY
from djl_trtllm.engines.openvino.guides.files import DIRECTORY, PROBE
from djl_trtllm.engines.openvino.guides.process import EndedError, GuideProcess, NotReadyError
from djl_trtllm.engines.openvino.messages import GRAMMAR, JSON, REGEX, Bound
from tests.support.collector import TIMEOUT, eventually
from tests.support.engines import compiled

pytestmark = pytest.mark.compile

ENDLESS = "((a{0,999}){0,999}){0,999}"


def start(memory: int = MEMORY) -> g.Start:
    return g.Start(str(compiled("llama").path / DIRECTORY / PROBE), [2], memory)


@pytest.fixture
def process() -> Iterator[GuideProcess]:
    made = GuideProcess(start())
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[GuideProcess]:
    made = GuideProcess(start())
    yield made
    made.close()


def ask(process: GuideProcess, kind: str, text: str, seconds: float = TIMEOUT) -> g.Verdict:
    return process.ask(g.Check(Bound(kind, text)), seconds)


@pytest.mark.parametrize(
    ("kind", "text", "verdict"),
    [
        (JSON, '{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}', g.GOOD),
        (JSON, "true", g.GOOD),
        (REGEX, "[a-z]{3,5} (yes|no)", g.GOOD),
        (REGEX, "日本[語]+", g.GOOD),
        (GRAMMAR, 'root ::= root "x" | "y"', g.GOOD),
        (GRAMMAR, 'root ::= ""', g.GOOD),
        (JSON, '{"type": "strin"}', g.MALFORMED),
        (JSON, "{", g.MALFORMED),
        (JSON, '{"enum": []}', g.MALFORMED),
        (REGEX, "(a", g.MALFORMED),
        (REGEX, "(?=a)b", g.MALFORMED),
        (GRAMMAR, "root ::= none", g.MALFORMED),
        (GRAMMAR, 'start: "a"', g.MALFORMED),
        (JSON, '{"$ref": "#"}', g.DEAD_END),
        (GRAMMAR, "root ::= root", g.DEAD_END),
        (GRAMMAR, 'root ::= "a" b\nb ::= b "x"', g.DEAD_END),
    ],
)
def test_verdicts(shared: GuideProcess, kind: str, text: str, verdict: int) -> None:
    assert ask(shared, kind, text).kind == verdict
    assert ask(shared, REGEX, "a|b").kind == g.GOOD


def test_a_schema_that_speaks_of_memory_is_not_one_that_has_none(shared: GuideProcess) -> None:
    assert ask(shared, JSON, '{"type": "std::bad_alloc memory"}').kind == g.MALFORMED


def test_a_reason_quotes_nothing(shared: GuideProcess) -> None:
    for kind, text in ((JSON, '{"type": "secret"}'), (REGEX, "secret(?=a)"), (GRAMMAR, "root ::= secret")):
        verdict = ask(shared, kind, text)
        assert verdict.kind == g.MALFORMED
        assert verdict.reason
        assert "secret" not in verdict.reason


def test_one_that_takes_too_long_is_given_up(process: GuideProcess) -> None:
    assert ask(process, REGEX, "a").kind == g.GOOD
    with pytest.raises(TimeoutError):
        ask(process, REGEX, ENDLESS, 0.2)
    pid = process.pid
    assert pid is not None
    process.close()
    assert not Path(f"/proc/{pid}").exists()


def test_one_that_crashes_it_is_told_as_its_end(process: GuideProcess) -> None:
    with pytest.raises(EndedError) as ended:
        ask(process, REGEX, "(" * 30000 + "a" + ")" * 30000)
    assert ended.value.code == -signal.SIGSEGV


def test_memory_is_limited() -> None:
    process = GuideProcess(start(memory=4 << 20))
    try:
        with pytest.raises(EndedError):
            ask(process, REGEX, "|".join(f"w{n}" for n in range(20000)))
    finally:
        process.close()


def test_killed_while_idle_it_says_so_when_asked(process: GuideProcess) -> None:
    ask(process, REGEX, "a")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(EndedError):
        ask(process, REGEX, "b")


def test_a_probe_that_is_not_there_is_not_ready(tmp_path: Path) -> None:
    process = GuideProcess(g.Start(str(tmp_path), [2], MEMORY))
    try:
        with pytest.raises(NotReadyError):
            ask(process, REGEX, "a")
    finally:
        process.close()


def test_it_dies_with_its_parent() -> None:
    code = (
        "import sys, time\n"
        "from djl_trtllm.engines.openvino.guides import messages as g\n"
        "from djl_trtllm.engines.openvino.guides.process import GuideProcess\n"
        "from djl_trtllm.engines.openvino.messages import Bound\n"
        f"p = GuideProcess(g.Start({start().probe!r}, [2], {MEMORY}))\n"
        "p.ask(g.Check(Bound('regex', 'a')), 60)\n"
        "print(p.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the checking process's end")
