"""What running out of memory says about options; the other ends of a build are those of `building.process`."""

from pathlib import Path

import pytest

from djl_trtllm.engines.openvino import build_process
from djl_trtllm.engines.openvino.build_job import Job
from djl_trtllm.errors import OutOfMemory
from tests.support.plans import Stages


def run(out: Path, origin: str, **job: object) -> None:
    fields = {"source": "x", "origin": origin, "out": str(out), "dtype": "fp32", "tokenizer": "x", **job}
    build_process.run(Job(**fields), Stages())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("origin", "job", "words"),
    [
        ("killed", {}, r"was killed, .* times the size of the weights\. .* option\.dtype=bf16"),
        ("memory", {"dtype": "bf16"}, "ran out of memory.* a smaller model"),
        (
            "memory",
            {"quantize": "awq"},
            r"more for quantize=awq.* option\.quantize=int8 .*option\.calib_size",
        ),
    ],
)
def test_out_of_memory_names_what_takes_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str, job: dict[str, object], words: str
) -> None:
    monkeypatch.setattr(build_process, "MODULE", "tests.support.fake_compiler")
    with pytest.raises(OutOfMemory, match=words):
        run(tmp_path, origin, **job)
    assert (tmp_path / "scratch").is_dir()
