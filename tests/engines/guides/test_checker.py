"""Compiling guides in a child, with a stand-in for xgrammar that does what a guide's words say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from djl_trtllm.core import Guide, GuideKind
from djl_trtllm.engines.guides import GuideChecker
from djl_trtllm.engines.guides import compiler as compiler_module
from djl_trtllm.engines.guides.vocabulary import Vocabulary
from djl_trtllm.errors import Busy, InvalidRequest
from tests.support.collector import eventually

XGRAMMAR = """
import json, os, time

LOG = __file__ + ".log"
print("this must not come between")


def compiled(text):
    with open(LOG, "a") as log:
        log.write(text + "\\n")
    if "slow" in text:
        time.sleep(60)
    if "die" in text:
        os._exit(1)
    if "wrong" in text:
        raise RuntimeError(text)


class Grammar:
    from_json_schema = from_regex = from_ebnf = staticmethod(compiled)
"""
TOKENS = """

class VocabType:
    def __init__(self, number):
        assert number == 2


class TokenizerInfo:
    def __init__(self, tokens, kind, *, stop_token_ids, add_prefix_space):
        assert (tokens, stop_token_ids, add_prefix_space) == (["a", ""], [1], False)

    @staticmethod
    def _detect_metadata_from_hf(text):
        assert text == "the tokenizer"
        return {"vocab_type": 2, "add_prefix_space": False}


class GrammarCompiler:
    def __init__(self, tokens, *, max_threads, cache_enabled):
        pass

    def compile_json_schema(self, text):
        compiled("for tokens: " + text)

    def compile_grammar(self, grammar):
        compiled("for tokens")
"""
VOCABULARY = Vocabulary(["a", ""], "the tokenizer", [1], whole=True)


def regex(text: str) -> Guide:
    return Guide(GuideKind.REGEX, text)


@contextmanager
def checking(
    directory: Path, monkeypatch: pytest.MonkeyPatch, *, seconds: float = 10.0, more: str = ""
) -> Iterator[GuideChecker]:
    (directory / "xgrammar.py").write_text(XGRAMMAR + more, encoding="utf-8")
    monkeypatch.syspath_prepend(directory)
    checker = GuideChecker(1000, seconds)
    checker.start(VOCABULARY)
    try:
        yield checker
    finally:
        checker.close()


def compiled(directory: Path) -> list[str]:
    log = directory / "xgrammar.py.log"
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def test_what_the_library_compiles_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with checking(tmp_path, monkeypatch) as checker:
        for text in ("a+", "b+", "a+"):
            checker.check(regex(text))
    assert compiled(tmp_path) == ["a+", "b+"]


def test_what_it_refuses_is_refused_without_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with checking(tmp_path, monkeypatch) as checker:
        for _ in range(2):
            with pytest.raises(InvalidRequest, match="does not compile") as refused:
                checker.check(regex("wrong"))
            assert "wrong" not in str(refused.value)
        checker.check(regex("a"))
    assert compiled(tmp_path) == ["wrong", "wrong", "a"]


def test_what_is_wrong_at_sight_is_not_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with checking(tmp_path, monkeypatch) as checker:
        with pytest.raises(InvalidRequest, match="1001 bytes, the limit is 1000"):
            checker.check(regex("a" * 1001))
        with pytest.raises(InvalidRequest, match="not JSON"):
            checker.check(Guide(GuideKind.JSON, "{"))
        checker.check(regex("a"))
    assert compiled(tmp_path) == ["a"]


def test_compiling_has_an_end_and_goes_on_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with checking(tmp_path, monkeypatch) as checker:
        checker.check(regex("a"))
        checker._seconds = 0.2
        with pytest.raises(InvalidRequest, match=r"more than 0.2 s to compile \(option guide_timeout\)"):
            checker.check(regex("slow"))
        checker._seconds = 10.0
        with pytest.raises(InvalidRequest, match="does not compile"):
            checker.check(regex("die"))
        checker.check(regex("b"))


def test_what_waits_too_long_for_its_turn_is_told_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with checking(tmp_path, monkeypatch) as checker:
        checker.check(regex("a"))

        def slow() -> None:
            with pytest.raises(InvalidRequest):
                checker.check(regex("slow"))

        first = threading.Thread(target=slow)
        checker._seconds = 2.0
        first.start()
        eventually(lambda: "slow" in compiled(tmp_path), "the slow guide")
        checker._seconds = 0.0
        with pytest.raises(Busy, match="Too many guides"):
            checker.check(regex("b"))
        first.join()


def test_nothing_is_said_before_the_library_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late = "import time; time.sleep(1.5)"
    with checking(tmp_path, monkeypatch, seconds=0.05, more=late) as checker:
        with pytest.raises(Busy, match="cannot be checked yet"):
            checker.check(regex("a"))
        checker._seconds = 10.0
        checker.check(regex("a"))


def test_a_library_that_cannot_be_used_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with checking(tmp_path, monkeypatch, more="raise OSError") as checker:
        checker.check(regex("wrong"))
        with pytest.raises(InvalidRequest):
            checker.check(regex("("))
    assert compiled(tmp_path) == []


def test_a_library_that_is_not_installed_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(compiler_module, "Compiler", None)
    checker = GuideChecker(1000, 0.0)
    checker.start()
    checker.check(regex("wrong"))
    checker.close()


def test_guides_are_compiled_for_the_models_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with checking(tmp_path, monkeypatch, more=TOKENS) as checker:
        checker.check(Guide(GuideKind.JSON, "{}"))
        checker.check(Guide(GuideKind.GRAMMAR, 'root ::= "a"'))
    assert compiled(tmp_path) == ["for tokens: {}", 'root ::= "a"', "for tokens"]


def test_the_child_ends_with_the_checker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[compiler_module.Compiler] = []
    plain = compiler_module.Compiler.__enter__

    def seen(self: compiler_module.Compiler) -> compiler_module.Compiler:
        made.append(self)
        return plain(self)

    monkeypatch.setattr(compiler_module.Compiler, "__enter__", seen)
    with checking(tmp_path, monkeypatch) as checker:
        checker.check(regex("a"))
    eventually(lambda: made[0]._process.poll() is not None, "the end of the child")


def test_what_compiles_guides_has_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "canary-41")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-42")
    with compiler_module.Compiler(None) as compiler:
        environ = Path(f"/proc/{compiler._process.pid}/environ")
        # Empty for a moment, while the new program is put in the place of this one.
        eventually(lambda: b"PATH=" in environ.read_bytes(), "the environment of the child")
        assert b"canary" not in environ.read_bytes()
