"""`QuantConfig`, and which algorithm goes which way."""

from __future__ import annotations

from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour
from tests.contract.tensorrt_llm_stand_in.recorder import plain

SMOOTHQUANT_PLUGIN = (
    "W8A8_SQ_PER_TENSOR_PLUGIN",
    "W8A8_SQ_PER_CHANNEL_PER_TOKEN_PLUGIN",
    "W8A8_SQ_PER_CHANNEL_PER_TENSOR_PLUGIN",
    "W8A8_SQ_PER_TENSOR_PER_TOKEN_PLUGIN",
)
MODELOPT = ("FP8", "W4A16_AWQ", "W4A8_AWQ", "W8A8_SQ_PER_CHANNEL", "MIXED_PRECISION", "NVFP4", "NVFP4_AWQ")
WITHOUT_CALIBRATION = (None, "NO_QUANT", "W8A16", "W4A16", "FP8_PER_CHANNEL_PER_TOKEN")
FIELDS = ("quant_algo", "kv_cache_quant_algo")


@behaviour("tensorrt_llm.models.modeling_utils.QuantConfig")
class QuantConfig:
    """Fields are kept by the object; what follows from them is here."""

    def __init__(self, context: Context, **_fields: Any) -> None:
        self._shell = context.shell

    @property
    def requires_calibration(self) -> bool:
        algorithm, cache = algorithms(self._shell)
        return algorithm not in WITHOUT_CALIBRATION or cache is not None

    @property
    def requires_modelopt_quantization(self) -> bool:
        algorithm, cache = algorithms(self._shell)
        return algorithm in MODELOPT or (cache == "FP8" and algorithm not in SMOOTHQUANT_PLUGIN)

    @property
    def use_plugin_sq(self) -> bool:
        return algorithms(self._shell)[0] in SMOOTHQUANT_PLUGIN

    def to_dict(self) -> dict[str, Any]:
        return fields_of(self._shell)

    asdict = to_dict

    @classmethod
    def from_dict(cls, context: Context, *, config: dict[str, Any]) -> Any:
        algorithm = context.library.symbol("tensorrt_llm.quantization.QuantAlgo")
        values = {k: algorithm(v) if k in FIELDS and v is not None else v for k, v in config.items()}
        return context.cls(**values)


def algorithms(config: Any) -> tuple[str | None, str | None]:
    """Return the names of the algorithms for weights and KV cache."""
    weights, cache = (plain(config._values.get(name)) for name in FIELDS)
    return weights, cache


def fields_of(config: Any) -> dict[str, Any]:
    """Return what a config.json holds of it."""
    return {name: plain(value) for name, value in config._values.items()}
