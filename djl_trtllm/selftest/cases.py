"""What is tried: one case for each family and quantisation that the runtime takes, and why the others are not."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from djl_trtllm.engines import registry
from djl_trtllm.errors import OptionsError, UnsupportedModel
from djl_trtllm.model import checkpoint, families
from djl_trtllm.options import sources
from djl_trtllm.selftest.shapes import LONGEST_INPUT, LONGEST_OUTPUT, SHAPES

PLAIN = "none"
QUANTIZE = (PLAIN, "smoothquant", "awq", "fp8", "int8", "int4")
SLOTS = 32


@dataclass(frozen=True, slots=True)
class Case:
    """One checkpoint, compiled one way. `dtypes` are tried in order until one can be loaded."""

    runtime: str
    family: str
    quantize: str
    ranks: int
    dtypes: Sequence[str]

    @property
    def name(self) -> str:
        """The case in one word, as a file name takes it."""
        return self.family if self.quantize == PLAIN else f"{self.family}-{self.quantize}"

    def options(self, model: Path, cache: Path, dtype: str, seconds: float) -> dict[str, str]:
        """Return the options that it is served with, as DJL would pass them."""
        shape = SHAPES[self.family]
        given = {
            "model_id": str(model),
            "model_dir": str(model.parent),
            "cache_dir": str(cache),
            **_general(self.runtime, self.ranks),
            "dtype": dtype,
            "max_rolling_batch_size": str(SLOTS),
            "max_input_len": str(LONGEST_INPUT),
            "max_output_len": str(LONGEST_OUTPUT),
            "model_loading_timeout": str(int(seconds)),
            "log_requests": "off",
            "retry_threshold": "10",
            **_OF_RUNTIME[self.runtime],
            **(shape.options if self.runtime != "openvino" else {}),
        }
        if self.quantize != PLAIN:
            given["quantize"] = self.quantize
        if shape.own_code:
            given["trust_remote_code"] = "true"
        return given


@dataclass(frozen=True, slots=True)
class Refused:
    """A family and quantisation that is not tried, and why."""

    family: str
    quantize: str
    why: str


_TRTLLM = {"max_num_tokens": "4096", "kv_cache_free_gpu_mem_fraction": "0.2"}
_OF_RUNTIME: Mapping[str, Mapping[str, str]] = {
    "openvino": {"openvino_precision": "exact", "openvino_kv_cache": "64MiB"},
    "trtllm": _TRTLLM,
    "trtllm-pytorch": _TRTLLM,
}


def of_runtime(
    name: str, ranks: int, only_families: Sequence[str] = (), only_quantize: Sequence[str] = ()
) -> tuple[list[Case], list[Refused]]:
    """Return the cases of a runtime and what it refuses, asking the runtime itself about each.

    Raises `OptionsError` where the runtime cannot be used at all, and for a family or a quantisation that nobody
    knows.
    """
    known = _families(name)
    _check(only_families, known, "family", "--families")
    _check(only_quantize, QUANTIZE, "quantisation", "--quantize")
    registry.choose(sources.read(_general(name, ranks), {}), processes(name, ranks))
    cases: list[Case] = []
    refused: list[Refused] = []
    for family in [family for family in known if not only_families or family in only_families]:
        if family not in SHAPES:
            refused.append(Refused(family, "any", "there is no tiny checkpoint of this family"))
            continue
        for quantize in [kind for kind in QUANTIZE if not only_quantize or kind in only_quantize]:
            case = Case(name, family, quantize, ranks, _dtypes(name, quantize))
            why = _refusal(case)
            if why:
                refused.append(Refused(family, quantize, why))
            else:
                cases.append(case)
    return cases, refused


def processes(runtime: str, ranks: int) -> int:
    """Return how many processes are started for so many ranks: the LLM API starts its own workers."""
    return 1 if runtime == "trtllm-pytorch" else ranks


def _general(runtime: str, ranks: int) -> dict[str, str]:
    return {"runtime": runtime, "rolling_batch": "auto", "tensor_parallel_degree": str(ranks)}


def _families(runtime: str) -> list[str]:
    """Return families by the names of their shapes, or by the runtime's where there is no shape."""
    if runtime == "openvino":
        return list(families.FAMILIES)
    from djl_trtllm.engines.trtllm.families import FAMILIES

    return [next((name for name in family.model_types if name in SHAPES), family.name) for family in FAMILIES]


def _dtypes(runtime: str, quantize: str) -> tuple[str, ...]:
    if runtime == "openvino":
        return ("fp32",)
    return ("fp32", "fp16") if quantize == PLAIN and runtime == "trtllm" else ("fp16",)


def _refusal(case: Case) -> str:
    """Return why the runtime does not take a case, empty when it does: its plan sees a checkpoint without weights."""
    with tempfile.TemporaryDirectory(prefix="djl-trtllm-selftest-") as scratch:
        model = Path(scratch) / "model"
        model.mkdir()
        (model / "config.json").write_text(json.dumps(SHAPES[case.family].config()), encoding="utf-8")
        given = case.options(model, Path(scratch) / "cache", case.dtypes[-1], 600)
        options = sources.read(given, {})
        origin = f"the tiny {case.family} checkpoint"
        try:
            runtime = registry.choose(options, processes(case.runtime, case.ranks))
            runtime.plan(checkpoint.read(model, origin), options, case.ranks)
        except (UnsupportedModel, OptionsError) as error:
            return str(error)
    return ""


def _check(wanted: Sequence[str], known: Sequence[str], what: str, option: str) -> None:
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise OptionsError(
            f"{option}: there is no {what} {' or '.join(unknown)} here; there are {', '.join(known)}."
        )


def environment() -> dict[str, str]:
    """Return this process's environment without what would set options of a model."""
    model = ("HF_MODEL_ID", "HF_REVISION", "PREDICT_TIMEOUT", "MODEL_LOADING_TIMEOUT")
    parallel = ("TENSOR_PARALLEL_DEGREE", "PIPELINE_PARALLEL_DEGREE")
    return {
        name: value
        for name, value in os.environ.items()
        if name not in (*model, *parallel) and not name.startswith(("OPTION_", "SERVING_"))
    }
