from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.doctor import djl_modes
from djl_trtllm.doctor.djl_version import PARTITION
from tests.support import broken, engine_directories, examined

TRTLLM = {"SERVING_FEATURES": "trtllm"}
SPLIT = "option.backend=pytorch\noption.tensor_parallel_degree=2"
BATCH = "option.max_rolling_batch_size=8\n"


@pytest.fixture(autouse=True)
def _no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    broken.machine(monkeypatch, {})


def said(
    directory: Path, options: str, djl: str, environ: dict[str, str] | None = None
) -> list[tuple[str, str]]:
    if not directory.exists():
        examined.write(directory)
    (directory / "serving.properties").write_text(f"engine=Python\n{BATCH}{options}\n")
    return examined.said(djl_modes.examine(examined.subject(directory, environ, djl=djl)))


@pytest.mark.parametrize(
    ("options", "djl", "environ", "problems"),
    [
        ("option.rolling_batch=trtllm", "0.27.0", {}, ["convert"]),
        ("option.rolling_batch=trtllm", "0.32.0", {}, ["convert"]),
        ("option.rolling_batch=trtllm", "0.33.0", {}, []),
        ("option.rolling_batch=trtllm", "0.26.0", {}, []),
        ("option.rolling_batch=auto", "0.29.0", TRTLLM, ["convert"]),
        ("option.rolling_batch=auto", "0.29.0", {}, []),
        ("", "0.28.0", TRTLLM, ["convert"]),
        ("option.rolling_batch=trtllm", "0.36.0", TRTLLM, ["convert"]),
        ("option.rolling_batch=trtllm\noption.backend=pytorch", "0.36.0", TRTLLM, []),
        (f"option.rolling_batch=trtllm\n{SPLIT}", "0.36.0", TRTLLM, ["from 2 ranks"]),
        (f"option.rolling_batch=python\n{SPLIT}", "0.36.0", TRTLLM, []),
        ("option.rolling_batch=auto", "0.36.0", TRTLLM, ["convert", "async_mode=true"]),
        ("", "0.33.0", {"SERVING_FEATURES": "vllm"}, ["async_mode=true"]),
        (
            f"option.rolling_batch=trtllm\n{SPLIT}\noption.mpi_mode=true",
            "",
            {},
            ["2 ranks are started under mpirun"],
        ),
    ],
)
def test_what_java_does_by_itself(
    options: str, djl: str, environ: dict[str, str], problems: list[str], tmp_path: Path
) -> None:
    found = [
        text for gravity, text in said(tmp_path / "model", options, djl, environ) if gravity == "problem"
    ]
    assert len(found) == len(problems)
    assert all(word in text for word, text in zip(problems, found, strict=True))
    assert all(text.startswith(f"DJL-Serving {djl[:-2]}: ") for text in found if djl)


@pytest.mark.parametrize(("gpus", "ranks"), [(1, 0), (2, 2)])
def test_java_splits_over_all_gpus_where_nothing_says_how(
    gpus: int, ranks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken.machine(monkeypatch, {"gpus": [["NVIDIA L4", "8.9", 24 << 30]] * gpus, "tensorrt_llm": "1.2.1"})
    options = "option.rolling_batch=trtllm\noption.backend=pytorch\noption.retry_threshold=1"
    found = [text for gravity, text in said(tmp_path / "model", options, "0.36.0") if gravity == "problem"]
    assert [f"from {ranks} ranks of mpirun" in text for text in found] == [True] * (ranks > 0)


def test_the_script_decides(tmp_path: Path) -> None:
    options = "option.rolling_batch=trtllm"
    script = tmp_path / PARTITION
    script.parent.mkdir(parents=True)
    script.write_text("import tensorrt_llm_toolkit\n")
    ((gravity, told),) = said(tmp_path / "model", options, "0.29.0")
    assert (gravity, "which is DJL's own" in told) == ("problem", True)
    script.write_text("from djl_trtllm.partition.main import main\n")
    assert said(tmp_path / "model", options, "0.29.0") == [
        ("ok", "engine, rolling_batch and SERVING_FEATURES go together.")
    ]


def test_the_project_s_own_script_is_known(tmp_path: Path) -> None:
    script = tmp_path / PARTITION
    script.parent.mkdir(parents=True)
    script.write_text((Path(__file__).parents[2] / "docker" / "lmi" / "trt_llm_partition.py").read_text())
    assert said(tmp_path / "model", "option.rolling_batch=trtllm", "0.29.0")[0][0] == "ok"


def test_engines_are_not_converted(tmp_path: Path) -> None:
    engine_directories.lmi(tmp_path / "model" / "repo", engine_directories.config())
    options = "option.rolling_batch=trtllm\noption.model_id=repo"
    assert not [text for _, text in said(tmp_path / "model", options, "0.29.0") if "convert" in text]
    engine_directories.write(tmp_path / "model" / "flat", engine_directories.config())
    options = "option.rolling_batch=trtllm\noption.model_id=flat"
    assert [text for _, text in said(tmp_path / "model", options, "0.29.0") if "convert" in text]
    assert not [text for _, text in said(tmp_path / "model", options, "0.36.0", TRTLLM) if "convert" in text]


def test_every_era_is_named_where_the_version_is_not_known(tmp_path: Path) -> None:
    found = said(tmp_path / "model", "option.rolling_batch=auto", "", TRTLLM)
    assert {gravity for gravity, _ in found} == {"note"}
    assert [text.partition(": ")[0] for _, text in found] == [
        "DJL-Serving 0.27 to 0.32",
        "DJL-Serving 0.33 and later",
        "DJL-Serving 0.33 and later",
    ]


@pytest.mark.parametrize(
    ("options", "djl", "word"),
    [
        ("option.rolling_batch=disable", "0.36.0", "one request a call"),
        ("option.rolling_batch=auto", "0.36.0", "one request runs at a time"),
        ("", "0.27.0", "with one request at a time"),
        ("option.rolling_batch=trtllm\nbatch_size=4", "0.33.0", "batch_size=4 turns rolling batches off"),
        ("option.rolling_batch=trtllm\noption.runtime=trtllm", "0.33.0", "retry_threshold is not set"),
    ],
)
def test_what_is_only_slow_or_brittle(options: str, djl: str, word: str, tmp_path: Path) -> None:
    found = said(tmp_path / "model", options, djl)
    assert [gravity for gravity, text in found if word in text] == ["note"]


def test_retries_that_are_set(tmp_path: Path) -> None:
    options = "option.rolling_batch=trtllm\noption.runtime=trtllm\n"
    for environ in ({"SERVING_RETRY_THRESHOLD": "10"}, {"OPTION_RETRY_THRESHOLD": "10"}):
        assert not [t for _, t in said(tmp_path / "model", options, "0.33.0", environ) if "retry" in t]
    assert not [t for _, t in said(tmp_path / "model", options, "0.29.0") if "retry" in t]
