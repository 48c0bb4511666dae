from __future__ import annotations

import json
from pathlib import Path

import pytest

from djl_trtllm.cli.main import main
from djl_trtllm.options.table import SPECS


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for spec in SPECS.values():
        if spec.env:
            monkeypatch.delenv(spec.env, raising=False)


def model(directory: Path, text: str) -> str:
    (directory / "serving.properties").write_text(text, encoding="utf-8")
    return str(directory)


def test_what_a_model_directory_comes_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTION_MAX_OUTPUT_LEN", "99")
    text = "engine=Python\noption.max_input_len=77\noption.max_num_tokens=50000\nmax_output_len=5\noption.foo=1\n"
    assert main(["check", model(tmp_path, text)]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert shown.err == ""
    assert next(line for line in lines if line.startswith("max_input_len=77 ")).endswith(
        "  serving.properties"
    )
    assert next(line for line in lines if line.startswith("max_output_len=99 ")).endswith(
        "  OPTION_MAX_OUTPUT_LEN"
    )
    assert next(line for line in lines if line.startswith("dtype=auto ")).endswith("  default")
    assert [line for line in lines if line.startswith("note: ")] == [
        "note: max_output_len has no effect in serving.properties; write option.max_output_len.",
        "note: foo (from serving.properties) is not an option; it has no effect.",
        "note: max_num_tokens=50000 (from serving.properties) is not used here; "
        "openvino_step_tokens sets how many tokens a step has.",
    ]
    assert lines[-1] == "ok: the openvino runtime would be used"


def test_only_what_is_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--set", model(tmp_path, "option.dtype=fp16\n")]) == 0
    assert (
        capsys.readouterr().out == "dtype=fp16   serving.properties\nok: the openvino runtime would be used\n"
    )


def test_every_problem_on_its_own_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", model(tmp_path, "option.dtype=fp64\noption.max_input_len=0\n")]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "error: dtype=fp64 (from serving.properties) must be one of auto, fp32, fp16, bf16.",
        "error: max_input_len=0 (from serving.properties) must be a whole number from 1 to 10000000.",
    ]


def test_what_no_runtime_here_can_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", model(tmp_path, "option.tensor_parallel_degree=4\n")]) == 1
    assert "tensor_parallel_degree=4" in capsys.readouterr().err


def test_a_directory_without_properties(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path)]) == 0
    assert "ok:" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "none")]) == 1
    assert "is not a directory" in capsys.readouterr().err


def llama(directory: Path, text: str, **config: object) -> str:
    said = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "torch_dtype": "bfloat16", **config}
    (directory / "config.json").write_text(json.dumps(said), encoding="utf-8")
    return model(directory, text)


def test_what_a_release_of_tensorrt_llm_would_get(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "engine=MPI\noption.tensor_parallel_degree=2\noption.use_custom_all_reduce=true\n"
    directory = llama(tmp_path, text)
    assert main(["check", directory, "--set", "--tensorrt-llm", "0.12.0", "--ranks", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "gets: BuildConfig.max_seq_len = 1536" in lines
    assert "gets: Mapping.tp_size = 2" in lines
    assert "gets: from_hugging_face.dtype = 'bfloat16'" in lines
    (note,) = [line for line in lines if line.startswith("note: ")]
    assert (
        "use_custom_all_reduce=true (from serving.properties) is not a choice from TensorRT-LLM 0.12" in note
    )
    assert lines[-1] == "ok: the trtllm runtime would be used"


def test_every_mistake_for_a_release_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = llama(
        tmp_path, "option.tensor_parallel_degree=4\noption.quantize=int8\noption.rotary_dim=8\n"
    )
    assert main(["check", directory, "--tensorrt-llm", "0.8.0"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert [line.split(" (from")[0] for line in errors] == [
        "error: tensor_parallel_degree=4",
        "error: quantize=int8",
        "error: rotary_dim=8",
    ]


def test_a_version_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", model(tmp_path, ""), "--tensorrt-llm", "latest"]) == 1
    assert "--tensorrt-llm: 'latest' is no version of TensorRT-LLM" in capsys.readouterr().err


def test_without_the_checkpoint_only_run_time_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", model(tmp_path, "option.model_id=org/far\n"), "--tensorrt-llm", "1.3.0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "gets: LLM.max_batch_size = 32" in lines
    assert lines[-1] == "ok: the trtllm-pytorch runtime would be used"
