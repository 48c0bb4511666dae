"""What a build writes for guided decoding: the exact bytes of every token, or why there is none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from djl_trtllm.engines.openvino.guides import build as guide_build
from djl_trtllm.engines.openvino.guides import files as guide_files
from djl_trtllm.engines.openvino.guides.files import DIRECTORY
from tests.support import tiny
from tests.support.engines import compiled

pytestmark = pytest.mark.compile

TEXT = 'Grüße,  日本語 🙂 {"a": [1, 2]}\n\tend'


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A compiled model without what is written here."""
    return Path(
        shutil.copytree(compiled("llama").path, tmp_path / "m", ignore=shutil.ignore_patterns(DIRECTORY))
    )


def written(model: Path) -> tuple[guide_files.GuideFiles, list[str]]:
    notes: list[str] = []
    guide_build.write(model, notes.append)
    return guide_files.find(model), notes


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_bytes_of_tokens_together_are_the_text(family: str) -> None:
    file = compiled(family).path / "tokenizer.json"
    tokens = guide_build.token_bytes(file, tiny.VOCAB_SIZE)
    assert tokens is not None
    ids = Tokenizer.from_file(str(file)).encode(TEXT, add_special_tokens=False).ids
    assert b"".join(tokens[id_] for id_ in ids).removeprefix(b" ") == TEXT.encode()
    assert tokens[:3] == [b"", b"", b""], "special tokens say nothing"
    assert len(tokens) == tiny.VOCAB_SIZE


def test_ids_without_a_token_say_nothing() -> None:
    tokens = guide_build.token_bytes(compiled("llama").path / "tokenizer.json", tiny.VOCAB_SIZE + 5)
    assert tokens is not None
    assert tokens[tiny.VOCAB_SIZE :] == [b""] * 5


def test_a_compiled_model_has_all(copy: Path) -> None:
    found = guide_files.find(compiled("llama").path)
    assert found.path == compiled("llama").path / DIRECTORY
    assert guide_files.find(copy) == guide_files.GuideFiles(
        None, "it was compiled without what this needs; compile it again"
    )
    again, notes = written(copy)
    assert again.path == copy / DIRECTORY
    assert notes == []
    same = [path.relative_to(copy) for path in (copy / DIRECTORY).rglob("*.bin")]
    assert len(same) == 4
    assert all((copy / name).read_bytes() == (compiled("llama").path / name).read_bytes() for name in same)


@pytest.mark.parametrize("case", ["no end token", "another decoder", "no tokenizer"])
def test_what_is_not_possible_fails_no_build_and_is_said(copy: Path, case: str) -> None:
    if case == "no end token":
        (copy / "text.json").unlink()
        for name in ("config.json", "generation_config.json"):
            content = json.loads((copy / name).read_text())
            (copy / name).write_text(json.dumps({**content, "eos_token_id": None}))
    elif case == "another decoder":
        content = json.loads((copy / "tokenizer.json").read_text())
        (copy / "tokenizer.json").write_text(
            json.dumps({**content, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True}})
        )
    else:
        (copy / "tokenizer.json").unlink()
    found, (note,) = written(copy)
    assert found.path is None
    assert found.why_not
    assert found.why_not in note
    assert case != "no end token" or "end token" in found.why_not
    assert case != "another decoder" or "bytes" in found.why_not
