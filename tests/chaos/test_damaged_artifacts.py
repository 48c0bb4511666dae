"""A damaged artifact in the cache, and a real load of it: found before the service is ready, and compiled again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from djl_trtllm import service
from djl_trtllm.compile import manifest
from djl_trtllm.core import Checkpoint, Progress
from djl_trtllm.engines.openvino import compile as compiler
from djl_trtllm.options.table import Options
from djl_trtllm.rolling_batch.admit import Arrival
from tests.support import tiny
from tests.support.damage import files

pytestmark = pytest.mark.compile

BODY = b'{"inputs": "the fox", "parameters": {"max_new_tokens": 8}}'


class Cache:
    """A cache with one real artifact, and a compiler that copies it: what is tried is the way there."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.whole = tiny.compiled("llama")
        self.artifact = root / "artifacts" / self.whole.name
        self.builds = 0
        self._root = root
        shutil.copytree(self.whole, self.artifact)
        monkeypatch.setattr(compiler, "build", self._build)

    def load(self) -> service.Service:
        options: Mapping[str, str] = {
            "option.model_id": str(tiny.checkpoint("llama")),
            "option.cache_dir": str(self._root),
            "option.runtime": "openvino",
            "option.dtype": "fp32",
            "option.rolling_batch": "disable",
        }
        loaded = service.load(options, {}, 1 << 20)
        assert isinstance(loaded, service.Service)
        return loaded

    def _build(self, checkpoint: Checkpoint, options: Options, out: Path, progress: Progress) -> None:
        self.builds += 1
        shutil.copytree(self.whole, out, dirs_exist_ok=True)
        (out / manifest.NAME).unlink()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    # Every file is one that only the digests in parallel with loading find damaged.
    monkeypatch.setattr(manifest, "_SMALL", 0)
    return Cache(tmp_path, monkeypatch)


def answer(served: service.Service) -> str:
    (whole,) = served.answer([Arrival(BODY, {"Content-Type": "application/json"})])
    return whole.text


def check(cache: Cache, name: str) -> None:
    """Damage one file and load: the answer is that of the whole model, built again."""
    file = cache.artifact / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    before = cache.builds
    served = cache.load()
    try:
        manifest.verify(cache.artifact)
        assert cache.builds == before + 1, name
        assert "generated_text" in answer(served)
    finally:
        served.close()


@pytest.mark.parametrize("name", ["openvino_model.bin", "tokenizer.json"])
def test_damage_is_found_before_the_service_is_ready(cache: Cache, name: str) -> None:
    check(cache, name)


@pytest.mark.long
def test_damage_in_any_kind_of_file_is_found_before_the_service_is_ready(cache: Cache) -> None:
    served = cache.load()
    expected = answer(served)
    served.close()
    assert cache.builds == 0
    kinds = {(file.parent, file.suffix): file for file in files(cache.whole) if file.name != manifest.NAME}
    names = [file.relative_to(cache.whole).as_posix() for file in kinds.values()]
    for name in names:
        check(cache, name)
    served = cache.load()
    assert answer(served) == expected
    served.close()
    assert cache.builds == len(names)
