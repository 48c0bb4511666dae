"""What the report is made of: families, what is served and where it came from, versions; and that nothing fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from djl_trtllm.compile import manifest, quality
from djl_trtllm.compile.manifest import Manifest
from djl_trtllm.compile.quality import Quality
from djl_trtllm.core import Checkpoint, CompiledModel
from djl_trtllm.engines import resources
from djl_trtllm.engines.estimate import GPU, Estimate
from djl_trtllm.engines.resources import Memory
from djl_trtllm.options import sources
from djl_trtllm.rolling_batch import items
from djl_trtllm.service import start
from djl_trtllm.service.report import Report, lines
from tests.support import engine_directories, estimates
from tests.support.toy_engine import toy_limits

KEY = "0123456789abcdef0123456789abcdef"


class Toy:
    name = "openvino"

    def estimate(self, source, options, world) -> Estimate:
        if source.origin == "broken":
            raise OSError("no idea")
        return estimates.ESTIMATE


def told(source, model: CompiledModel, expected: Estimate | None = estimates.ESTIMATE) -> Report:
    options = sources.read({}, {})
    return start.report(Toy(), options, 1, source, model, expected, toy_limits(), ("a note",), 1.5)


def checkpoint(model_type: str = "qwen2") -> Checkpoint:
    return Checkpoint(Path("/models/m"), model_type, {}, "owner/name")


def artifact(path: Path, compared: dict[str, object] | None = None) -> Path:
    path.mkdir()
    (path / "weights.bin").write_bytes(b"w")
    files = manifest.survey(path)
    manifest.write(path, Manifest(KEY, {}, files, {}, {}, compared))
    return path


def test_a_hit_and_a_miss(tmp_path: Path) -> None:
    path = artifact(tmp_path / KEY)
    hit = told(checkpoint(), CompiledModel(path, "qwen2 0123", hit=True, why="compiled before"))
    assert (hit.origin, hit.family) == ("owner/name", "Qwen 2")
    assert hit.artifact == "cache hit (0123456789ab): compiled before"
    assert hit.quality == ""
    miss = told(checkpoint(), CompiledModel(path, "qwen2 0123", why="never seen; compiled in 3 s"))
    assert miss.artifact == "cache miss (0123456789ab): never seen; compiled in 3 s"
    assert lines(miss)[0] == "ready after 1.5 s"


def test_a_quantised_model_says_how_it_compares(tmp_path: Path) -> None:
    found = Quality(agreement=0.97, perplexity=10.0, reference_perplexity=9.5, tokens=504)
    path = artifact(tmp_path / KEY, found.content())
    said = told(checkpoint(), CompiledModel(path, "m")).quality
    assert said == quality.line(found.content())
    assert "over 504 tokens" in said
    (path / manifest.NAME).write_text("{")
    assert told(checkpoint(), CompiledModel(path, "m")).quality == ""


def test_a_checkpoint_as_it_is() -> None:
    source = checkpoint("unheard")
    found = told(source, CompiledModel(source.path, source.origin))
    assert (found.family, found.artifact) == ("unheard", "the checkpoint, served as it is")


def test_a_compiled_model_of_the_user_s(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    model = CompiledModel(own, "my engines", why="it is an OpenVINO model already", runtime="openvino")
    assert told(model, model).family == ""
    (own / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    found = told(model, model)
    assert (found.family, found.artifact) == ("GPT-2", "served as it is: it is an OpenVINO model already")
    engines = CompiledModel(engine_directories.write(tmp_path / "e", engine_directories.config()), "engines")
    found = told(engines, engines)
    assert (found.family, found.artifact) == ("LlamaForCausalLM", "served as it is, compiled elsewhere")


def test_free_memory_is_that_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    source = checkpoint()
    model = CompiledModel(source.path, "m")
    monkeypatch.setattr(resources, "host_memory", lambda: Memory(10, 7))
    monkeypatch.setattr(resources, "gpu_memory", lambda: (Memory(10, 5), Memory(10, 3), Memory(10, 1)))
    assert told(source, model).free_bytes == 7
    assert told(source, model, estimates.estimate(device=GPU, devices=2)).free_bytes == 3
    monkeypatch.setattr(resources, "gpu_memory", lambda: ())
    assert told(source, model, estimates.estimate(device=GPU)).free_bytes is None
    assert told(source, model, None).free_bytes is None


def test_versions_are_those_of_what_runs() -> None:
    source = checkpoint()
    versions = told(source, CompiledModel(source.path, "m")).versions
    assert list(versions) == ["djl-trtllm", "openvino", "openvino-genai", "tokenizers"]
    assert all(versions.values())


@pytest.mark.parametrize(("made", "said"), [(items.in_python, False), (print, True)])
def test_a_compiled_hot_path_is_told(made, said: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "items", made)
    version = told(checkpoint(), CompiledModel(Path(), "m")).versions["djl-trtllm"]
    assert version.endswith(" (hot path compiled)") == said


def test_an_estimate_that_fails_is_none_and_said(caplog: pytest.LogCaptureFixture) -> None:
    source = CompiledModel(Path(), "broken")
    assert start.estimate(Toy(), source, sources.read({}, {}), 1) is None
    assert caplog.messages == ["what broken will take is not known: OSError: no idea"]
