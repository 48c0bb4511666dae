"""Loading: found, compiled once, opened, checked; with a runtime that builds in a moment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from djl_trtllm import service
from djl_trtllm.core import CompiledModel
from djl_trtllm.engines import registry
from djl_trtllm.errors import ArtifactError, CompileError, LoadError, ModelNotFound, OptionsError
from djl_trtllm.rolling_batch.admit import Arrival
from djl_trtllm.service import artifact
from tests.support.toy_runtime import WEIGHTS, ToyRuntime, chosen, load_options, save_tokenizer


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> ToyRuntime:
    return chosen(monkeypatch)


@pytest.fixture
def options(tmp_path: Path) -> dict[str, str]:
    return load_options(tmp_path)


def text_of(served: service.Service) -> str:
    body = b'{"inputs": "the fox", "parameters": {"max_new_tokens": 5}}'
    (answer,) = served.answer([Arrival(body, {"Content-Type": "application/json"})])
    return answer.text


def load(options: dict[str, str]) -> service.Service:
    return service.load(options, {}, 1 << 20)


def test_compiled_once_then_found(runtime, options):
    first = load(options)
    text = text_of(first)
    first.close()
    second = load(options)
    assert text_of(second) == text
    assert "generated_text" in text
    second.close()
    assert runtime.builds == 1


def test_a_damaged_weight_is_found_while_the_engine_loads_and_compiled_again(runtime, options, tmp_path):
    load(options).close()
    (weights,) = (tmp_path / "cache").rglob("weights.bin")
    data = bytearray(weights.read_bytes())
    data[WEIGHTS // 2] ^= 1
    weights.write_bytes(data)
    served = load(options)
    assert "generated_text" in text_of(served)
    served.close()
    assert runtime.builds == 2
    assert all(engine.steps == 0 for engine in runtime.engines[1:2]), "nothing ran on the damaged one"
    assert all(engine.closed for engine in runtime.engines), "nor is it left open"


def test_an_engine_that_refuses_whole_files_does_not_have_them_compiled_again(runtime, options):
    """It would get the same ones, and may only be short of memory."""
    load(options).close()
    runtime.fail_open = ArtifactError("The engine cannot read this.")
    with pytest.raises(LoadError, match=r"is whole, .* short, lower .*cannot read this\.$") as caught:
        load(options)
    assert not isinstance(caught.value, ArtifactError)
    runtime.fail_open = None
    load(options).close()
    assert runtime.builds == 1


def test_an_engine_that_does_not_open_is_a_load_error(runtime, options):
    runtime.fail_open = CompileError("The engine does not start.")
    with pytest.raises(LoadError, match="does not start"):
        load(options)


def test_a_users_own_compiled_directory_is_not_rebuilt(runtime, options, tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    save_tokenizer(own)
    monkeypatch.setattr(artifact, "locate", lambda *_: CompiledModel(own, "a directory of the user"))
    served = load(options)
    assert "generated_text" in text_of(served)
    assert served.active == 0
    served.close()
    (own / "manifest.json").write_text("{}")
    with pytest.raises(ArtifactError):
        load(options)
    assert runtime.builds == 0


def test_what_is_wrong_is_said_before_anything_is_built(runtime, options):
    with pytest.raises(OptionsError, match=r"max_input_len.*quantize"):
        load({**options, "max_input_len": "many", "quantize": "int3"})
    with pytest.raises(ModelNotFound):
        load({**options, "model_id": options["model_id"] + "-not"})
    assert runtime.builds == 0


def test_a_start_says_what_it_came_to_in_one_block(runtime, options, caplog):
    caplog.set_level("INFO")
    load({**options, "max_input_len": "100", "max_inputs": "7"}).close()
    block = report_in(caplog.messages)
    assert re.fullmatch(r"ready after \d+\.\d s", block[0])
    rows = dict(line.strip().split(maxsplit=1) for line in block[1:])
    assert rows["model"] == f"{options['model_id']}, LLaMA, 134.5M parameters, bf16"
    assert rows["runtime"].startswith("openvino: ")
    assert re.fullmatch(
        r"cache miss \([0-9a-f]{12}\): this model has not been compiled here before; compiled in \d+ s",
        rows["artifact"],
    )
    assert rows["limits"] == (
        "input 1024 (max_input_len), output 512 (max_output_len), total 2048 (config.json),"
        " batch 32 (max_rolling_batch_size)"
    )
    assert "42 requests of 1536 tokens at once" in block[5]
    assert "max_input_len=100 (serving.properties)" in rows["options"]
    assert "did you mean max_input_len?" in rows["note"]
    assert rows["versions"].startswith("djl-trtllm ")


def test_what_is_odd_about_the_options_is_said_also_where_a_load_fails(runtime, options, caplog):
    caplog.set_level("INFO")
    runtime.fail_open = CompileError("The engine does not start.")
    load_failing({**options, "max_inputs": "7"})
    assert sum("did you mean max_input_len?" in line for line in caplog.messages) == 1, "before the build"
    caplog.clear()
    load_failing({**options, "max_inputs": "7"})
    assert sum("did you mean max_input_len?" in line for line in caplog.messages) == 1, "after the failure"
    caplog.clear()
    load_failing({**options, "model_id": options["model_id"] + "-not", "max_inputs": "7"})
    assert "did you mean max_input_len?" in caplog.text


def load_failing(options: dict[str, str]) -> None:
    with pytest.raises(LoadError):
        load(options)


def test_a_second_start_says_that_it_was_a_hit(runtime, options, caplog):
    load(options).close()
    caplog.set_level("INFO")
    caplog.clear()  # other tests may have turned the package's logger on
    load(options).close()
    (artifact,) = (line for line in report_in(caplog.messages) if "artifact" in line)
    assert "cache hit (" in artifact
    assert "from the same files, options and versions" in artifact


def test_a_report_that_cannot_be_made_fails_no_load(runtime, options, caplog, monkeypatch):
    def broken(source, options, world):
        raise ZeroDivisionError("no idea")

    monkeypatch.setattr(runtime, "estimate", broken)
    caplog.set_level("INFO")
    served = load(options)
    assert "generated_text" in text_of(served)
    served.close()
    assert "ZeroDivisionError" in caplog.text
    assert not any(line.strip().startswith("memory") for line in report_in(caplog.messages))
    monkeypatch.setattr(registry, "reason", broken)
    load(options).close()
    assert re.match(r"ready after .* s; there is no report: TypeError at ", caplog.messages[-1])


def test_a_build_that_cannot_be_done_in_time_is_announced(runtime, options, caplog):
    caplog.set_level("INFO")
    load({**options, "model_loading_timeout": "10"}).close()
    (warning,) = (r.getMessage() for r in caplog.records if "takes 11 s or more" in r.getMessage())
    assert [r.levelname for r in caplog.records if r.getMessage() == warning] == ["WARNING"]
    assert "model_loading_timeout=10 (from serving.properties)" in warning
    assert "djl-trtllm compile" in warning
    caplog.clear()
    load({**options, "model_loading_timeout": "10"}).close()
    assert "or more" not in caplog.text, "nothing is built any more"


def report_in(messages: list[str]) -> list[str]:
    """The block: from its title to the end of what is indented."""
    title, *rows = next(one for one in messages if one.startswith("ready after ")).splitlines()
    assert all(row.startswith("  ") for row in rows)
    return [title, *rows]
