"""tokenizer.json made for tokenizers that are Python code, against what that code encodes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from tokenizers import AddedToken, Tokenizer

from djl_trtllm.engines.building import slow_tokenizer
from tests.support.slow_vocabularies import PATTERN, Code, Pieces, byte_level, ranks_of
from tests.support.tiny_models import TEXT, metaspace

CORPUS = TEXT.splitlines(keepends=True) * 3


def test_ranks_of_tiktoken_become_a_byte_level_tokenizer(tmp_path: Path) -> None:
    real = byte_level(CORPUS)
    size = real.get_vocab_size()
    code = Code(
        lambda text: real.encode(text).ids,
        mergeable_ranks=ranks_of(real),
        special_tokens={"<|endoftext|>": size},
        tokenizer=SimpleNamespace(_pat_str=PATTERN),
    )
    assert slow_tokenizer.write(code, tmp_path / "tokenizer.json")
    made = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for line in CORPUS:
        assert made.encode(line).ids == real.encode(line).ids
        assert made.decode(made.encode(line).ids) == line
    assert made.encode("<|endoftext|>").ids == [size]


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize(("before", "after"), [([], []), ([1], []), ([1], [2])])
def test_pieces_become_a_tokenizer_with_byte_fallback(
    tmp_path: Path, inner: bool, before: list[int], after: list[int]
) -> None:
    real = metaspace(CORPUS)

    def encode(text: str) -> list[int]:
        return [*before, *real.encode(text, add_special_tokens=False).ids, *after]

    pieces = Pieces(real)
    holder = {"tokenizer": SimpleNamespace(sp_model=pieces)} if inner else {"sp_model": pieces}
    code = Code(encode, **holder)
    code.added_tokens_decoder = {
        n: AddedToken(text, special=True, normalized=False) for n, text in enumerate(("<unk>", "<s>", "</s>"))
    }
    assert slow_tokenizer.write(code, tmp_path / "tokenizer.json")
    made = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for line in CORPUS:
        assert made.encode(line).ids == encode(line)
        assert made.decode(made.encode(line).ids) == real.decode(real.encode(line).ids)


@pytest.mark.parametrize(
    "encode",
    [
        lambda real, text: real.encode(text.replace("\ufb01", "fi"), add_special_tokens=False).ids,
        lambda real, text: real.encode(text.strip(), add_special_tokens=False).ids,
        lambda real, text: [len(text) % 3, *real.encode(text, add_special_tokens=False).ids],
        lambda real, text: [],
    ],
)
def test_code_that_does_more_is_not_converted(
    tmp_path: Path, encode: Callable[[Tokenizer, str], list[int]]
) -> None:
    real = metaspace(CORPUS)
    code = Code(lambda text: encode(real, text), sp_model=Pieces(real))
    assert not slow_tokenizer.write(code, tmp_path / "tokenizer.json")
    assert not (tmp_path / "tokenizer.json").exists()


def test_code_of_an_unknown_kind_is_not_converted(tmp_path: Path) -> None:
    assert not slow_tokenizer.write(Code(lambda text: [1]), tmp_path / "tokenizer.json")


def write_code(directory: Path) -> Path:
    """A tokenizer of a checkpoint's own code: every byte is a token."""
    directory.mkdir()
    config = {"tokenizer_class": "Bytes", "auto_map": {"AutoTokenizer": ["code.Bytes", None]}}
    (directory / "tokenizer_config.json").write_text(json.dumps(config))
    (directory / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (directory / "code.py").write_text(
        "from transformers import PreTrainedTokenizer\n"
        "class Bytes(PreTrainedTokenizer):\n"
        "    mergeable_ranks = {bytes([byte]): byte for byte in range(256)}\n"
        "    vocab_size = 256\n"
        "    def get_vocab(self): return {chr(n): n for n in range(256)}\n"
        "    def _tokenize(self, text, **_): return [chr(byte) for byte in text.encode()]\n"
        "    def _convert_token_to_id(self, token): return ord(token)\n"
        "    def _convert_id_to_token(self, number): return chr(number)\n"
        "    def save_vocabulary(self, *_, **__): return ()\n"
    )
    return directory


def test_a_directory_is_completed_where_its_code_is_trusted(tmp_path: Path) -> None:
    source = write_code(tmp_path / "code")
    script = (
        "import sys; from pathlib import Path; from djl_trtllm.engines.building import slow_tokenizer\n"
        f"source, work = Path({str(source)!r}), Path({str(tmp_path / 'work')!r})\n"
        "assert slow_tokenizer.prepared(source, work, trust_remote_code=False) == source\n"
        "assert not work.exists()\n"
        "assert slow_tokenizer.prepared(source, work, trust_remote_code=True) == work\n"
    )
    environment = {**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    made = Tokenizer.from_file(str(tmp_path / "work" / "tokenizer.json"))
    assert made.encode("aß").ids == list("aß".encode())
    assert (tmp_path / "work" / "code.py").is_symlink()


def test_a_directory_that_has_one_stays(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    assert slow_tokenizer.prepared(tmp_path, tmp_path / "work", trust_remote_code=True) == tmp_path
