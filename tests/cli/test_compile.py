from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from djl_trtllm.cli import export
from djl_trtllm.cli.main import main
from djl_trtllm.compile import manifest
from djl_trtllm.local import properties
from djl_trtllm.model.locate import locate
from djl_trtllm.options import sources
from tests.support import quick_builds, tiny


class Silent:
    def stage(self, name: str, percent: float | None = None) -> None:
        pass


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTION_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_MODEL_ID", raising=False)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    return quick_builds.install(monkeypatch)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model directory as a user writes it."""
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "serving.properties").write_text(
        f"engine=Python\noption.model_id={tiny.checkpoint('llama')}\noption.dtype=fp32\njob_queue_size=7\n"
        "option.max_input_len = 64\noption.awq_calib_size=64\noption.quantize=awq\n"
    )
    return directory


def compiled(*words: object, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """What `compile` prints for a program."""
    assert main(["compile", "--json", *map(str, words)]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_second_time_it_is_a_hit(
    model: Path, builds: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    first = compiled(model, capsys=capsys)
    again = compiled(model / "serving.properties", capsys=capsys)
    assert (first["hit"], again["hit"], len(builds)) == (False, True, 1)
    assert first["key"] == again["key"] == Path(str(first["path"])).name
    assert first["runtime"] == "openvino"
    assert first["output"] is None


def test_for_people(model: Path, builds: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", str(model)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("compiled: llama ")
    assert "  runtime    openvino\n" in out
    assert "compiling: building 50 %" in err
    assert main(["compile", str(model)]) == 0
    assert capsys.readouterr().out.startswith("found compiled: llama ")


def test_a_checkpoint_and_options_by_flag(
    builds: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTION_DTYPE", "fp32")
    checkpoint = tiny.checkpoint("llama")
    by_environment = compiled(checkpoint, capsys=capsys)
    by_flag = compiled(checkpoint, "--option", "dtype=fp16", capsys=capsys)
    prefixed = compiled(checkpoint, "--option", "option.dtype=fp16", capsys=capsys)
    assert by_environment["key"] != by_flag["key"] == prefixed["key"]
    assert manifest.read(Path(str(by_flag["path"]))).plan["options"] == {
        **manifest.read(Path(str(by_environment["path"]))).plan["options"],
        "dtype": "fp16",
    }


def test_what_is_odd_about_options_is_said(
    model: Path, builds: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(model), "--option", "quantise=awq", "--option", "max_num_tokens=50"]
    for command in ("compile", "inspect"):
        assert main([command, *words]) == 0
        said = capsys.readouterr().err
        assert "warning: quantise (from --option) is not an option; did you mean quantize?\n" in said
        assert "warning: max_num_tokens=50 (from --option) is not used here; " in said


def test_the_file_wins_over_the_environment(
    model: Path, builds: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compiled(model, capsys=capsys)
    monkeypatch.setenv("OPTION_DTYPE", "fp16")
    assert compiled(model, capsys=capsys)["key"] == first["key"]


def test_an_output_is_served_as_it_is(
    model: Path, builds: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "made" / "output"
    done = compiled(model, "--output", output, capsys=capsys)
    assert done["output"] == str(output)
    assert properties.parse((output / "serving.properties").read_text()) == {
        "engine": "Python",
        "job_queue_size": "7",
        "option.entryPoint": "djl_trtllm.handler",
        "option.dtype": "fp32",
        "option.max_input_len": "64",
        "option.calib_size": "64",
        "option.quantize": "awq",
    }
    manifest.verify(output)
    for options in ({"model_id": str(output)}, {"model_dir": str(output)}):
        found = locate(sources.read(options, {}), {}, Silent())
        assert (found.path, found.runtime) == (output, "openvino")
    assert main(["compile", str(output)]) == 0
    assert capsys.readouterr().out.startswith("nothing to compile: openvino runs ")
    assert [path.name for path in output.parent.iterdir()] == ["output"]


def test_code_of_the_model_goes_along(
    model: Path, builds: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model / "model.py").write_text("from djl_trtllm.handler import handle\n")
    compiled(model, "--output", tmp_path / "output", capsys=capsys)
    assert (tmp_path / "output" / "model.py").read_text() == (model / "model.py").read_text()


def test_large_files_are_links_and_small_ones_copies(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick_builds.install(monkeypatch, big=True)
    artifact = Path(str(compiled(model, "--output", tmp_path / "output", capsys=capsys)["path"]))
    for name, linked in (("openvino_model.bin", True), ("openvino_model.xml", False)):
        same = (artifact / name).stat().st_ino == (tmp_path / "output" / name).stat().st_ino
        assert same == linked


def test_an_output_replaces_only_what_it_may(
    model: Path, builds: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "output"
    output.mkdir()
    compiled(model, "--output", output, capsys=capsys)
    assert main(["compile", str(model), "--output", str(output)]) == 1
    assert "holds a compiled model already" in capsys.readouterr().err
    (output / "mine").touch()
    compiled(
        model, "--output", output, "--force", "--option", "dtype=fp16", "--option", "quantize=int8",
        "--option", "calib_size=32", capsys=capsys,
    )  # fmt: skip
    assert (output / "openvino_model.xml").read_text() == "<fp16/>"
    assert not (output / "mine").exists()
    assert main(["compile", str(model), "--output", str(model), "--force"]) == 1
    assert "exists and holds no compiled model" in capsys.readouterr().err
    assert (model / "serving.properties").exists()


def test_a_damaged_artifact_is_never_written_out(
    model: Path, builds: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = Path(str(compiled(model, capsys=capsys)["path"]))
    big = artifact / "openvino_model.bin"
    body = json.loads((artifact / "manifest.json").read_text())
    assert body["files"]["openvino_model.bin"]["size"] == 7
    big.write_bytes(b"garbage")
    done = compiled(model, "--output", tmp_path / "output", capsys=capsys)
    assert not done["hit"], "small files are compared at every look-up"
    assert (tmp_path / "output" / "openvino_model.bin").read_bytes() == b"weights"


def test_damage_in_a_large_file_is_found_before_the_output_is_there(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick_builds.install(monkeypatch, big=True)
    big = Path(str(compiled(model, capsys=capsys)["path"])) / "openvino_model.bin"
    big.write_bytes(b"x" * quick_builds.BIG)
    assert main(["compile", str(model), "--output", str(tmp_path / "output")]) == 1
    said = capsys.readouterr().err
    assert "error: openvino_model.bin of " in said
    assert "It is removed from the cache: compile again." in said
    assert not (tmp_path / "output").exists()
    assert not big.exists()
    compiled(model, "--output", tmp_path / "output", capsys=capsys)


def test_what_a_killed_writer_left_goes(
    model: Path, builds: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = tmp_path / ".output.partial-4194305-x"  # above the largest process id
    left.mkdir()
    compiled(model, "--output", tmp_path / "output", capsys=capsys)
    assert not left.exists()


def test_an_output_that_cannot_be_written(
    model: Path, builds: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["compile", str(model), "--output", str(tmp_path / "file" / "output")]) == 1
    assert "cannot be written: " in capsys.readouterr().err


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    model: Path,
    builds: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    compiled(model, capsys=capsys)

    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export.shutil, "copyfile", full)
    before = set(tmp_path.iterdir())
    assert main(["compile", str(model), "--output", str(tmp_path / "output")]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error: {tmp_path / 'output'} cannot be written: No space left on device. ")
    assert set(tmp_path.iterdir()) == before


def test_an_output_in_the_directory_where_one_is(
    model: Path,
    builds: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert compiled(model, "--output", ".", capsys=capsys)["output"] == str(tmp_path / "here")
    assert (tmp_path / "here" / "manifest.json").is_file()


def test_without_a_cache_an_output_is_needed(
    model: Path, builds: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compile", str(model), "--option", "cache=off"]) == 1
    assert "cache=off (from --option) keeps nothing" in capsys.readouterr().err
    done = compiled(model, "--option", "cache=off", "--output", tmp_path / "output", capsys=capsys)
    assert (done["key"], done["path"]) == (None, str(tmp_path / "output"))
    assert not (tmp_path / "cache" / "artifacts").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--option", "dtype=fp64"], "dtype=fp64 (from --option) must be one of"),
        (
            ["--option", "tensor_parallel_degree=2"],
            "tensor_parallel_degree=2 (--option) needs the runtime trtllm",
        ),
        (["--option", "model_id=./nowhere"], "there is no such directory"),
    ],
)
def test_errors_are_those_of_a_load(
    model: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compile", "--json", str(model), *words]) == 1
    assert said in json.loads(capsys.readouterr().out)["error"][0]


def test_a_file_that_is_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "weights.gguf").touch()
    assert main(["compile", str(tmp_path / "weights.gguf")]) == 1
    assert "is a file" in capsys.readouterr().err


def test_a_compiled_model_has_no_output(
    model: Path, builds: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled(model, "--output", tmp_path / "one", capsys=capsys)
    assert main(["compile", str(tmp_path / "one"), "--output", str(tmp_path / "two")]) == 1
    assert "There is nothing to write to" in capsys.readouterr().err
    assert not (tmp_path / "two").exists()


def test_a_model_directory_with_a_checkpoint_in_it(
    tmp_path: Path, builds: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Path(shutil.copytree(tiny.checkpoint("llama"), tmp_path / "whole"))
    (whole / "serving.properties").write_text("option.dtype=fp32\n")
    alone = compiled(tiny.checkpoint("llama"), "--option", "dtype=fp32", capsys=capsys)
    assert compiled(whole, capsys=capsys)["key"] == alone["key"], "the content decides, not the place"
