from __future__ import annotations

import json
from pathlib import Path

import pytest

from djl_trtllm.cli.main import main
from djl_trtllm.options.table import SPECS
from tests.support import broken, raw_checkpoints, vocabularies


@pytest.fixture(autouse=True)
def _quiet_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for spec in SPECS.values():
        if spec.env:
            monkeypatch.delenv(spec.env, raising=False)
    monkeypatch.delenv("SERVING_FEATURES", raising=False)
    monkeypatch.setenv("DJL_CACHE_DIR", str(tmp_path_factory.mktemp("cache") / "none"))
    broken.machine(monkeypatch, {})


def model(directory: Path, text: str, **config: object) -> str:
    """A model directory whose model is in it."""
    said = {**raw_checkpoints.LLAMA, "max_position_embeddings": 4096, "torch_dtype": "bfloat16", **config}
    raw_checkpoints.write(directory, said, raw_checkpoints.llama_shapes())
    vocabularies.vocabulary("byte_level").save(str(directory / "tokenizer.json"))
    (directory / "serving.properties").write_text(text, encoding="utf-8")
    return str(directory)


def lines(shown: str, word: str) -> list[str]:
    return [line for line in shown.splitlines() if line.startswith(f"{word}: ")]


def test_what_a_model_directory_comes_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTION_MAX_OUTPUT_LEN", "99")
    text = (
        "engine=Python\noption.entryPoint=djl_trtllm.handler\noption.rolling_batch=trtllm\noption.max_input_len=77\n"
        "option.max_num_tokens=50000\nmax_output_len=5\noption.foo=1\n"
    )
    assert main(["check", model(tmp_path, text)]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    table = {row[0]: row[1:] for line in shown.out.splitlines() if len(row := line.split()) == 3}
    assert table["max_input_len"] == ["77", "serving.properties"]
    assert table["max_output_len"] == ["99", "OPTION_MAX_OUTPUT_LEN"]
    assert "dtype" not in table
    notes = lines(shown.out, "note")
    told = "note: serving.properties: max_output_len has no effect in serving.properties; write option.max_output_len."
    assert [line for line in notes if "max_output_len has no effect" in line] == [told]
    assert "note: options: foo (from serving.properties) is not an option; it has no effect." in notes
    assert any("openvino_step_tokens sets how many tokens a step has." in line for line in notes)
    assert "this model has not been compiled here before" in " ".join(notes)
    (runtime,) = [line for line in lines(shown.out, "ok") if line.startswith("ok: runtime: ")]
    assert runtime == "ok: runtime: The openvino runtime would be used in one process: no GPU is visible."
    assert shown.out.splitlines()[-1] == f"Nothing was found that would stop {tmp_path} from starting."


def test_the_gravest_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = model(tmp_path, "option.dtype=fp64\noption.max_input_len=0\nmax_output_len=5\n")
    assert main(["check", directory]) == 1
    out = capsys.readouterr().out
    words = [line.partition(":")[0] for line in out.splitlines()]
    found = [word for word in words if word in ("problem", "note", "ok")]
    assert found == sorted(found, key=("problem", "note", "ok").index)
    assert lines(out, "problem") == [
        "problem: options: dtype=fp64 (from serving.properties) must be one of auto, fp32, fp16, bf16.",
        "problem: options: max_input_len=0 (from serving.properties) must be a whole number from 1 to 10000000.",
    ]
    assert out.splitlines()[-1] == f"{directory} would not start: 2 problems."


def test_only_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--problems", model(tmp_path, "option.tensor_parallel_degree=4\n")]) == 1
    first, fix, last = capsys.readouterr().out.splitlines()
    assert fix == "    Set tensor_parallel_degree=1."
    assert first.startswith(
        "problem: runtime: tensor_parallel_degree=4 (serving.properties) needs the runtime"
    )
    assert last.endswith("would not start: 1 problem.")


def test_everything_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = model(tmp_path, "option.entryPoint=djl_trtllm.handler\noption.max_rolling_batch_size=0\n")
    assert main(["check", "--json", directory]) == 1
    shown = capsys.readouterr()
    assert shown.err == ""
    said = json.loads(shown.out)
    assert (said["starts"], said["runtime"], said["ranks"], said["model"]) == (
        False,
        "openvino",
        1,
        directory,
    )
    assert said["findings"][0] == {
        "check": "options",
        "outcome": "problem",
        "text": "max_rolling_batch_size=0 (from serving.properties) must be a whole number from 1 to 999.",
        "fix": "Correct it, or leave it out.",
    }
    assert set(said["options"]) == set(SPECS)
    assert said["limits"]["max_sequence_len"] == {"value": 4096, "source": "config.json of the model"}
    assert said["limits"]["max_input_len"] == {"value": 1024, "source": "option max_input_len, default"}
    assert said["limits"]["kv_cache_tokens"]["value"] > 0


def test_an_option_of_the_command_line_wins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = model(tmp_path, "option.entryPoint=djl_trtllm.handle\noption.dtype=fp64\n")
    right = ["--option", "dtype=fp32", "--option", "option.entryPoint=djl_trtllm.handler"]
    assert main(["check", "--json", directory, *right]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["options"]["dtype"] == {"value": "fp32", "source": "--option"}
    assert main(["check", "--problems", directory, "--option", "max_input_len=x", *right]) == 1
    assert "max_input_len=x (from --option) must be a whole number" in capsys.readouterr().out


def test_what_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = model(tmp_path, "option.entryPoint=djl_trtllm.handler\n")
    assert main(["check", f"{directory}/serving.properties"]) == 0
    assert directory in capsys.readouterr().out
    monkeypatch.chdir(directory)
    assert main(["check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["options"]["model_id"]["source"] == "default"
    monkeypatch.setenv("HF_MODEL_ID", "org/other")
    assert main(["check"]) == 0
    assert "org/other is taken for a hub id" in capsys.readouterr().out
    assert main(["check", directory]) == 0
    assert "HF_MODEL_ID=org/other names another model than the one that is in " in capsys.readouterr().out


def test_every_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--all", model(tmp_path, "option.dtype=fp16\n")]) == 0
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line]
    assert set(SPECS) <= set(shown)


def test_a_secret_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model(tmp_path, "option.model_id=s3://user:hunter2@bucket/model?X-Amz-Signature=abcdef\n")
    main(["check", "--json", str(tmp_path)])
    out = capsys.readouterr().out
    assert "hunter2" not in out
    assert "abcdef" not in out


def test_what_is_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "none")]) == 1
    assert "is not a directory" in capsys.readouterr().err
    assert main(["check", str(tmp_path)]) == 1
    assert "It is empty." in capsys.readouterr().out


def test_a_hub_id_is_not_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "org/never-fetched"]) == 0
    (note,) = [line for line in lines(capsys.readouterr().out, "note") if line.startswith("note: model:")]
    assert "org/never-fetched is taken for a hub id; it is not on this machine" in note


def test_what_a_release_of_tensorrt_llm_would_get(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "engine=MPI\noption.tensor_parallel_degree=2\noption.use_custom_all_reduce=true\n"
    directory = model(tmp_path, text)
    assert main(["check", directory, "--tensorrt-llm", "0.12.0", "--ranks", "2"]) == 0
    out = capsys.readouterr().out
    given = {
        row[0]: row[1] for line in out.splitlines() if line.startswith("  ") and len(row := line.split()) == 2
    }
    assert given["BuildConfig.max_seq_len"] == "1536"
    assert given["Mapping.tp_size"] == "2"
    assert given["from_hugging_face.dtype"] == "'bfloat16'"
    assert any(
        "use_custom_all_reduce=true (from serving.properties) is not a choice from TensorRT-LLM 0.12" in line
        for line in lines(out, "note")
    )
    assert "ok: runtime: The trtllm runtime would be used on TensorRT-LLM 0.12.0." in out


def test_ranks_are_those_of_the_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = model(tmp_path, "engine=MPI\noption.tensor_parallel_degree=2\n")
    assert main(["check", directory, "--tensorrt-llm", "0.12.0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ranks"] == 2


def test_every_mistake_for_a_release_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = model(
        tmp_path, "option.tensor_parallel_degree=4\noption.quantize=int8\noption.rotary_dim=8\n"
    )
    assert main(["check", directory, "--tensorrt-llm", "0.8.0"]) == 1
    said = [line.split(" (from")[0].split(": ")[-1] for line in lines(capsys.readouterr().out, "problem")]
    assert said == ["tensor_parallel_degree=4", "quantize=int8", "rotary_dim=8"]


def test_versions_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path), "--tensorrt-llm", "latest"]) == 1
    assert "--tensorrt-llm: 'latest' is no version of TensorRT-LLM" in capsys.readouterr().err
    assert main(["check", str(tmp_path), "--djl", "new"]) == 1
    assert "'new' is no version of DJL-Serving" in capsys.readouterr().err


def test_without_the_checkpoint_only_run_time_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "serving.properties").write_text("option.model_id=org/far\n")
    assert main(["check", str(tmp_path), "--tensorrt-llm", "1.3.0"]) == 0
    out = capsys.readouterr().out
    assert "  LLM.max_batch_size  " in out
    assert "The trtllm-pytorch runtime would be used" in out
    assert "the engine was built already" not in out
