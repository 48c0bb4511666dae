"""What a build depends on, what it writes, and what happens when it is killed or the disk is full."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from math import prod
from pathlib import Path
from typing import Any

import psutil
import pytest

from djl_trtllm.compile import manifest
from djl_trtllm.compile.plan import key
from djl_trtllm.core import Checkpoint, Plan
from djl_trtllm.engines.openvino.compile import plan
from djl_trtllm.errors import CompileError, LoadError, ModelNotFound, OptionsError, UnsupportedModel
from djl_trtllm.model.locate import locate
from djl_trtllm.options.kinds import Size
from djl_trtllm.options.table import DEFAULTS, SPECS, Options
from tests.support import tiny
from tests.support.checkpoints import write
from tests.support.plans import Stages
from tests.support.real_build import compile_model


def planned(model: Path, cache: Path, **more: object) -> Plan:
    options = Options(model_id=str(model), cache_dir=str(cache), **more)  # type: ignore[arg-type]
    checkpoint = locate(options, {}, Stages())
    assert isinstance(checkpoint, Checkpoint)
    return plan(checkpoint, options)


OTHER_VALUES: dict[str, object] = {
    "dtype": "bf16",
    "quantize": "int8",
    "rotary_base": 7.0,
    "rotary_scaling_type": "linear",
    "rotary_scaling_factor": 3.0,
    "smoothquant_alpha": 0.3,
    "calib_size": 5,
    "awq_block_size": 64,
    "openvino_group_size": 32,
}
NEEDS: dict[str, dict[str, object]] = {
    "rotary_scaling_type": {"rotary_scaling_factor": 2.0},
    "rotary_scaling_factor": {"rotary_scaling_type": "linear"},
    "smoothquant_alpha": {"quantize": "smoothquant"},
    "calib_size": {"quantize": "awq"},
    "awq_block_size": {"quantize": "awq"},
    "openvino_group_size": {"quantize": "int4"},
}
FILES = (
    "tokenizer",
    "calib_dataset",
    "rotary_dim",
)  # tested on their own: they need a file, or another family


def run_time_options() -> list[str]:
    """Every option that builds nothing here, but those that say where things are or contradict this checkpoint."""
    places = ("model_id", "cache_dir", "cache", "trust_remote_code", "allow_pickle_weights")
    versions = ("baichuan_model_version", "chatglm_model_version", "gpt_model_version")
    return [
        name for name, spec in SPECS.items() if "openvino" not in spec.build and name not in places + versions
    ]


def another(default: object) -> object:
    if isinstance(default, bool):
        return not default
    if isinstance(default, (int, float)):
        return default + 1
    return "another"


def test_the_tables_build_options_are_those_tested_here() -> None:
    assert {name for name, spec in SPECS.items() if "openvino" in spec.build} == {*OTHER_VALUES, *FILES}


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_a_build_option_changes_the_key(tmp_path: Path, name: str) -> None:
    model, need = write(tmp_path / "m"), NEEDS.get(name, {})
    base = planned(model, tmp_path, **need)
    assert key(planned(model, tmp_path, **{**need, name: OTHER_VALUES[name]})) != key(base)


@pytest.mark.parametrize("name", run_time_options())
def test_a_run_time_option_does_not_change_the_key(tmp_path: Path, name: str) -> None:
    model = write(tmp_path / "m")
    value = Size(1 << 30) if name == "cache_max_size" else another(DEFAULTS[name])
    assert planned(model, tmp_path, **{name: value}) == planned(model, tmp_path)


def test_options_without_effect_do_not_change_the_key(tmp_path: Path) -> None:
    model = write(tmp_path / "m")
    base = planned(model, tmp_path)
    assert planned(model, tmp_path, calib_size=9, awq_block_size=64) == base
    assert planned(model, tmp_path, dtype="fp32") == base
    assert planned(model, tmp_path, rotary_scaling_type="dynamic", rotary_scaling_factor=2.0) == base


def test_the_key_follows_content_and_not_the_place(tmp_path: Path) -> None:
    model = write(tmp_path / "m")
    base = planned(model, tmp_path)
    shutil.copytree(model, tmp_path / "copy")
    (tmp_path / "copy" / "README.md").touch()
    assert planned(tmp_path / "copy", tmp_path) == base
    (tmp_path / "copy" / "tokenizer.json").touch()
    assert planned(tmp_path / "copy", tmp_path) != base


def test_calibration_text_and_tokenizer_enter_by_content(tmp_path: Path) -> None:
    model = write(tmp_path / "m")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokenizer.json").write_text("{}")
        (tmp_path / name / "text.txt").write_text("hello")

    def with_files(name: str) -> Plan:
        files = {"tokenizer": str(tmp_path / name), "calib_dataset": str(tmp_path / name / "text.txt")}
        return planned(model, tmp_path, quantize="awq", **files)

    assert with_files("a") == with_files("b")
    assert {"tokenizer/tokenizer.json", "option.calib_dataset"} <= set(with_files("a").inputs)
    (tmp_path / "b" / "text.txt").write_text("hallo")
    assert with_files("a") != with_files("b")


def test_rotary_dim_enters_for_gptj_only(tmp_path: Path) -> None:
    for family, changes in (("gptj", True), ("llama", False)):
        model = write(tmp_path / family, model_type=family)
        assert (planned(model, tmp_path, rotary_dim=8) != planned(model, tmp_path)) == changes


@pytest.mark.parametrize(
    ("config", "options", "kind", "words"),
    [
        ({"model_type": "mamba"}, {}, UnsupportedModel, "'mamba'"),
        (
            {"quantization_config": {"quant_method": "gptq"}},
            {},
            UnsupportedModel,
            r"quantised already \(gptq\)",
        ),
        ({}, {"quantize": "fp8"}, UnsupportedModel, "option.quantize=fp8 needs a GPU"),
        ({}, {"gpt_model_version": "gpt2"}, OptionsError, "contradicts"),
        ({}, {"quantize": "awq", "calib_dataset": "/nowhere"}, CompileError, "there is no such file"),
        ({}, {"tokenizer": "/nowhere"}, ModelNotFound, r"option\.tokenizer"),
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_starts(
    tmp_path: Path, config: dict[str, object], options: dict[str, object], kind: type[LoadError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        planned(write(tmp_path / "m", **config), tmp_path, **options)


VARIANTS: dict[str, dict[str, object]] = {
    "fp32": {},
    "bf16": {"dtype": "bf16"},
    "fp16": {"dtype": "fp16"},
    "int8": {"quantize": "int8"},
    "int4": {"quantize": "int4", "openvino_group_size": 48},
    "awq": {"quantize": "awq", "calib_size": 8},
    "smoothquant": {"quantize": "smoothquant", "calib_size": 8},
    "linear": {"rotary_scaling_type": "linear", "rotary_scaling_factor": 2.0},
}


@pytest.fixture(scope="module")
def variants() -> dict[str, Path]:
    return tiny.variants("llama", VARIANTS)


def weights(model: Any) -> set[str]:
    constants = (node for node in model.get_ops() if node.get_type_name() == "Constant")
    return {node.get_element_type().get_type_name() for node in constants if prod(node.shape) >= 4096}


def logits(path: Path, ids: list[int]) -> Any:
    import numpy as np
    import openvino

    model = openvino.Core().read_model(path / "openvino_model.xml")
    request = (
        openvino.Core()
        .compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        .create_infer_request()
    )
    inputs = {
        "input_ids": np.array([ids]),
        "attention_mask": np.ones((1, len(ids)), dtype=np.int64),
        "position_ids": np.arange(len(ids))[None],
        "beam_idx": np.zeros(1, dtype=np.int32),
    }
    return request.infer(inputs)["logits"][0], weights(model)


@pytest.mark.compile
@pytest.mark.parametrize(
    ("name", "stored", "least"),
    [
        ("bf16", {"bf16"}, 0.999),
        ("fp16", {"f16"}, 0.999),
        ("int8", {"u8"}, 0.99),
        ("int4", {"u4", "u8"}, 0.7),
        ("awq", {"u4", "u8"}, 0.7),
        ("smoothquant", {"i8"}, 0.97),
    ],
)
def test_weights_are_stored_as_asked_and_compute_nearly_the_same(
    variants: dict[str, Path], name: str, stored: set[str], least: float
) -> None:
    import numpy as np

    ids = [number for prompt in tiny.prompts("llama") for number in prompt]
    exact, plain = logits(variants["fp32"], ids)
    found, types = logits(variants[name], ids)
    cosine = (exact * found).sum(-1) / np.linalg.norm(exact, axis=-1) / np.linalg.norm(found, axis=-1)
    assert plain == {"f32"}
    assert stored <= types
    assert types - stored <= {"f16", "f32"} if name not in ("bf16", "fp16") else types == stored
    assert cosine.mean() > least
    assert not (variants[name] / "scratch").exists()


@pytest.mark.compile
def test_a_stretched_model_computes_otherwise_and_takes_longer_texts(variants: dict[str, Path]) -> None:
    import numpy as np

    ids = tiny.prompts("llama", 1, longest=40)[0] * 8
    assert np.abs(logits(variants["fp32"], ids)[0] - logits(variants["linear"], ids)[0]).max() > 1
    assert json.loads((variants["linear"] / "text.json").read_text())["max_position_embeddings"] == 2048
    assert json.loads((variants["fp32"] / "text.json").read_text())["max_position_embeddings"] == 1024


@pytest.mark.compile
def test_the_text_facts_are_those_of_the_checkpoint(variants: dict[str, Path]) -> None:
    facts = json.loads((variants["int8"] / "text.json").read_text())
    template = facts.pop("chat_template")
    assert "message['role']" in template
    assert facts == {
        "eos_token_ids": [2],
        "bos_token_id": 1,
        "special_token_ids": [0, 1, 2],
        "vocab_size": 700,
        "max_position_embeddings": 1024,
        "model_type": "llama",
    }
    for name in ("tokenizer.json", "generation_config.json"):
        assert (variants["int8"] / name).read_bytes() == (tiny.checkpoint("llama") / name).read_bytes()


def children(process: psutil.Process) -> list[psutil.Process]:
    return process.children(recursive=True)


@pytest.mark.compile
@pytest.mark.parametrize(
    "moment",
    ["loading the compiler", pytest.param("converting to OpenVINO (fp32)", marks=pytest.mark.long)],
)
def test_killed_while_compiling_leaves_nothing_and_the_next_start_compiles(
    tmp_path: Path, moment: str
) -> None:
    model, cache = tiny.checkpoint("opt"), tmp_path / "cache"
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.real_build", str(model), str(cache)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tiny.ROOT,
    ) as worker:
        assert worker.stdout is not None
        for line in worker.stdout:
            if line.strip() == moment:
                break
        compilers = children(psutil.Process(worker.pid))
        worker.kill()
    assert compilers
    psutil.wait_procs(compilers, timeout=5)
    assert not [one for one in compilers if one.is_running()]
    assert list((cache / "artifacts").iterdir()) == []
    if moment == "loading the compiler":
        return
    made = compile_model(model, cache)
    assert not made.hit
    manifest.verify(made.path)
    assert list((cache / "building").iterdir()) == []
    assert compile_model(model, cache).hit


@pytest.mark.compile
@pytest.mark.long
def test_a_checkpoint_without_all_its_weights_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    shutil.copytree(tiny.checkpoint("gpt_neox"), tmp_path / "m")
    tensors = load_file(tmp_path / "m" / "model.safetensors")
    lost = [name for name in tensors if "layers.1.mlp" in name]
    kept = {name: tensor for name, tensor in tensors.items() if name not in lost}
    save_file(kept, tmp_path / "m" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CompileError, match=rf"{len(lost)} weights are missing, for example .*layers\.1\.mlp"):
        compile_model(tmp_path / "m", tmp_path / "cache")
    assert list((tmp_path / "cache" / "building").iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB, too small for a model of 1.9 MB with its tokenizer."""
    place = tmp_path / "small"
    place.mkdir()
    with ExitStack() as held:
        mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
        if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("mounting a small disk needs root")
        held.callback(subprocess.run, ["umount", "-l", str(place)], check=True)
        yield place


@pytest.mark.compile
@pytest.mark.long
def test_a_disk_that_fills_up_while_compiling(small_disk: Path, tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"no space left .*option\.cache_dir"):
        compile_model(tiny.checkpoint("llama"), small_disk)
    assert list((small_disk / "building").iterdir()) == []
    assert list((small_disk / "artifacts").iterdir()) == []


@pytest.mark.compile
@pytest.mark.long
def test_killed_at_random_moments(tmp_path: Path) -> None:
    model, cache = tiny.checkpoint("opt"), tmp_path / "cache"
    for tenths in range(10, 130, 12):
        with subprocess.Popen(
            [sys.executable, "-m", "tests.support.real_build", str(model), str(cache)],
            stdout=subprocess.DEVNULL,
            cwd=tiny.ROOT,
        ) as worker:
            time.sleep(tenths / 10)
            worker.kill()
        for path in (cache / "artifacts").iterdir() if (cache / "artifacts").is_dir() else ():
            manifest.verify(path)
    made = compile_model(model, cache)
    manifest.verify(made.path)
    assert list((cache / "building").iterdir()) == [] or made.hit
