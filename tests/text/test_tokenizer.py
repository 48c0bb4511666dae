from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer as Library
from tokenizers import processors

from djl_trtllm.errors import ArtifactError, InvalidRequest
from djl_trtllm.text.tokenizer import Tokenizer
from tests.support.vocabularies import TEXTS, vocabulary


def save(directory: Path, kind: str = "byte_level", **files: Any) -> Path:
    """A model directory with a tokenizer and, by name, JSON files."""
    vocabulary(kind).save(str(directory / "tokenizer.json"))
    for name, value in files.items():
        (directory / f"{name}.json").write_text(json.dumps(value))
    return directory


@pytest.mark.parametrize("kind", ["byte_level", "llama", "metaspace"])
def test_encode_and_decode(tmp_path: Path, kind: str) -> None:
    tokenizer = Tokenizer.load(save(tmp_path, kind))
    for text in TEXTS[:3]:
        ids = tokenizer.encode(text)
        assert ids == vocabulary(kind).encode(text).ids
        assert tokenizer.decode(ids) == vocabulary(kind).decode(ids)
    end = vocabulary(kind).token_to_id("</s>")
    assert tokenizer.decode([end]) == ""
    assert tokenizer.decode([end], skip_special_tokens=False) == "</s>"


def test_special_tokens_are_added_and_nothing_is_cut_off(tmp_path: Path) -> None:
    library = Library.from_str(vocabulary("byte_level").to_str())
    begin = library.token_to_id("<s>")
    library.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", begin)])
    library.enable_truncation(3)
    library.enable_padding(length=50)
    library.save(str(tmp_path / "tokenizer.json"))
    ids = Tokenizer.load(tmp_path).encode("the quick brown fox")
    assert ids == [begin, *vocabulary("byte_level").encode("the quick brown fox").ids]


def test_half_a_surrogate_pair_is_refused_by_place(tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(save(tmp_path))
    with pytest.raises(InvalidRequest, match=r"at character 3 \(U\+D83D\)"):
        tokenizer.encode("abc\ud83d def")


def test_encoding_lets_other_threads_run(tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(save(tmp_path))
    text, done = "the quick brown fox \n" * 60_000, threading.Event()

    def encode() -> None:
        tokenizer.encode(text)
        done.set()

    thread, gaps, last = threading.Thread(target=encode), [], time.perf_counter()
    thread.start()
    started = last
    while not done.is_set():
        time.sleep(0.001)
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
    thread.join()
    assert max(gaps) < 0.5 * (last - started), "the GIL was held"


def test_a_huge_prompt_is_refused_without_tokenising(tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(save(tmp_path))
    longest = tokenizer.longest_token_bytes
    assert tokenizer.min_tokens(10_000_000) == -(-10_000_000 // longest) > 100_000
    assert tokenizer.min_tokens(100) == 0
    started = time.process_time()
    tokenizer.min_tokens(10_000_000)
    assert time.process_time() - started < 0.005


def test_no_bound_is_no_refusal(tmp_path: Path) -> None:
    assert Tokenizer.load(save(tmp_path, "wordpiece")).min_tokens(10_000_000) == 0


def test_the_bound_of_a_compiled_model_is_taken_as_written(tmp_path: Path) -> None:
    assert Tokenizer.load(save(tmp_path, text={"longest_token_bytes": 128})).min_tokens(1_280_000) == 10_000


def test_sizes_and_ids(tmp_path: Path) -> None:
    end = vocabulary("byte_level").token_to_id("</s>")
    tokenizer = Tokenizer.load(save(tmp_path, text={"eos_token_ids": [end, 77], "vocab_size": 1000}))
    assert tokenizer.eos_ids == {end, 77}
    assert tokenizer.vocab_size == 1000
    assert end in tokenizer.special_ids
    plain = Tokenizer.load(save(tmp_path, text={"vocab_size": 3}))
    assert plain.vocab_size == vocabulary("byte_level").get_vocab_size()
    assert plain.eos_ids == frozenset()


def test_a_stream_follows_its_prompt(tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(save(tmp_path, "llama"))
    prompt, output = tokenizer.encode("the quick"), tokenizer.encode("brown fox")
    detokenizer = tokenizer.detokenizer(prompt, True)
    assert "".join(map(detokenizer.step, output)) + detokenizer.flush() == " brown fox"
    detokenizer = tokenizer.detokenizer([], True)
    assert "".join(map(detokenizer.step, output)) + detokenizer.flush() == "brown fox"


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"has no tokenizer\.json"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(ArtifactError, match=r"tokenizer\.json cannot be read by tokenizers"):
        Tokenizer.load(tmp_path)
    save(tmp_path)
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"text\.json is not JSON"):
        Tokenizer.load(tmp_path)
    (tmp_path / "text.json").write_text("[]")
    with pytest.raises(ArtifactError, match=r"text\.json is not a JSON object"):
        Tokenizer.load(tmp_path)


def test_a_prompt_of_a_chat_template_gets_no_special_tokens(tmp_path: Path) -> None:
    library = Library.from_str(vocabulary("llama").to_str())
    begin = library.token_to_id("<s>")
    library.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", begin)])
    library.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.load(tmp_path)
    for text in TEXTS:
        ids = vocabulary("llama").encode(text).ids
        assert tokenizer.encode(text) == [begin, *ids]
        assert tokenizer.encode(text, special=False) == ids
    assert tokenizer.encode("<s>the fox", special=False)[0] == begin
    assert begin not in {token for run in tokenizer.words("fox") for token in run}
    with pytest.raises(InvalidRequest, match=r"at character 0"):
        tokenizer.words("\ude00")
