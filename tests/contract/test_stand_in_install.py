"""The stand-in comes and goes: in this process, in others, and into torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import util
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from djl_trtllm.engines.trtllm import versions
from tests.contract.tensorrt_llm_stand_in import environment, installed, read
from tests.support import family_checkpoints as checkpoints

CHILD = """
import sys
from tensorrt_llm import Mapping, __version__
from tensorrt_llm.bindings.executor import KvCacheConfig
from tensorrt_llm.builder import BuildConfig, build
from tensorrt_llm.models import MODEL_MAP
from tensorrt_llm.models.modeling_utils import QuantConfig
print(__version__)
model = MODEL_MAP["LlamaForCausalLM"].from_hugging_face(
    hf_model_or_dir=sys.argv[1], mapping=Mapping(world_size=1), quant_config=QuantConfig())
limits = BuildConfig(max_input_len=8, max_seq_len=16, max_num_tokens=16)
build(model=model, build_config=limits).save(engine_dir=sys.argv[2])
"""


def child(arguments: list[str], code: str = CHILD, **knobs: Any) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, **environment("0.14.0", **knobs)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=variables, capture_output=True, text=True, timeout=60
    )


def test_it_is_gone_afterwards() -> None:
    with installed("0.14.0"):
        assert util.find_spec("tensorrt_llm") is not None
        assert versions.installed() == versions.Release(0, 14)
    assert util.find_spec("tensorrt_llm") is None
    assert versions.installed() is None


def test_versions_can_be_switched_within_a_process() -> None:
    for row in ("0.12.0", "1.2~", "0.12.0"):
        with installed(row):
            from tensorrt_llm.bindings import executor

            assert hasattr(executor, "FinishReason") is (row == "1.2~")
    with installed("0.12.0"), installed("0.14.0"):
        import tensorrt_llm

        assert tensorrt_llm.__version__ == "0.14.0"


def test_another_process_imports_it_and_tells_its_calls(tmp_path: Path) -> None:
    path = checkpoints.write(tmp_path / "c", "llama")
    ended = child([str(path), str(tmp_path / "e")], log=tmp_path / "calls")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "0.14.0\n", "")
    (call,) = read(tmp_path / "calls").of("LLaMAForCausalLM", "from_hugging_face")
    assert call.arguments["hf_model_or_dir"] == str(path)
    assert call.pid != os.getpid()
    assert json.loads((tmp_path / "e" / "config.json").read_text())["version"] == "0.14.0"


def test_another_process_has_its_faults(tmp_path: Path) -> None:
    path = checkpoints.write(tmp_path / "c", "llama")
    endings = {"exit": 1, "kill": -9, "oom": 1, "raise": 1}
    for kind, status in endings.items():
        ended = child([str(path), str(tmp_path / "e")], faults=[{"stage": "build", "kind": kind}])
        assert ended.returncode == status
        assert ("out of memory" in ended.stderr) is (kind == "oom")
    assert not (tmp_path / "e").exists()


def test_a_hang_lasts_as_long_as_it_was_told(tmp_path: Path) -> None:
    path = checkpoints.write(tmp_path / "c", "llama")
    fault = {"stage": "convert", "kind": "hang", "seconds": 0.2, "rank": 0}
    assert child([str(path), str(tmp_path / "e")], faults=[fault]).returncode == 0


def test_a_fault_can_wait_and_end() -> None:
    from tests.contract.tensorrt_llm_stand_in.faults import Faults

    faults = Faults([{"stage": "step", "kind": "raise", "after": 2, "times": 1}])
    faults.trip("step", 0)
    faults.trip("step", 0)
    with pytest.raises(RuntimeError):
        faults.trip("step", 0)
    faults.trip("step", 0)
    for wrong in ({"stage": "steps", "kind": "raise"}, {"stage": "step", "kind": "boom"}, {"stage": "step"}):
        with pytest.raises(ValueError):
            Faults([wrong])


def test_a_fault_can_happen_once_whatever_the_process(tmp_path: Path) -> None:
    from tests.contract.tensorrt_llm_stand_in.faults import Faults

    fault = {"stage": "build", "kind": "raise", "once": str(tmp_path / "happened")}
    with pytest.raises(RuntimeError):
        Faults([fault]).trip("build", 0)
    Faults([fault]).trip("build", 0)
    assert (tmp_path / "happened").exists()


def torch(**cuda: Any) -> ModuleType:
    made = ModuleType("torch")
    made.cuda = SimpleNamespace(set_device=None, device_count=lambda: 0, **cuda)  # type: ignore[attr-defined]
    return made


def test_torch_sees_the_gpus_while_it_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known: Any = torch()
    monkeypatch.setitem(sys.modules, "torch", known)
    path = checkpoints.write(tmp_path / "c", "llama")
    with installed("0.14.0", gpu={"count": 2}) as recorder:
        from tensorrt_llm import BuildConfig, Mapping, build
        from tensorrt_llm.models import MODEL_MAP
        from tensorrt_llm.models.modeling_utils import QuantConfig

        assert known.cuda.device_count() == 2
        with pytest.raises(RuntimeError, match="ordinal"):
            known.cuda.set_device(2)
        known.cuda.set_device(1)
        model = MODEL_MAP["LlamaForCausalLM"].from_hugging_face(
            hf_model_or_dir=str(path),
            mapping=Mapping(world_size=2, rank=1, tp_size=2),
            quant_config=QuantConfig(),
        )
        build(model=model, build_config=BuildConfig(max_num_tokens=64))
        assert [call.arguments["device"] for call in recorder.methods("set_device")] == [2, 1]
    assert known.cuda.set_device is None


def test_torch_is_changed_when_the_code_under_test_imports_it(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(
        "class cuda:\n    set_device = device_count = None\nclass OutOfMemoryError(RuntimeError):\n    pass\n"
    )
    code = "import tensorrt_llm, sys; assert 'torch' not in sys.modules; import torch; print(torch.cuda.device_count())"
    variables = {**os.environ, **environment("0.14.0", gpu={"count": 3})}
    variables["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{variables['PYTHONPATH']}"
    ended = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=60
    )
    assert (ended.stdout, ended.stderr) == ("3\n", "")


def test_out_of_memory_is_what_torch_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.contract.tensorrt_llm_stand_in.faults import out_of_memory

    class OutOfMemoryError(RuntimeError):
        pass

    known: Any = torch(OutOfMemoryError=OutOfMemoryError)
    monkeypatch.setitem(sys.modules, "torch", known)
    assert out_of_memory() is OutOfMemoryError
    monkeypatch.delitem(sys.modules, "torch")
    assert issubclass(out_of_memory(), RuntimeError)
