"""The model classes: made from a Hugging Face directory or from a converted checkpoint, built once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours import checkpoint, quantize
from tests.contract.tensorrt_llm_stand_in.behaviours.conversion import convert, quantised_here
from tests.contract.tensorrt_llm_stand_in.behaviours.families import family_of
from tests.contract.tensorrt_llm_stand_in.behaviours.pretrained_config import made
from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour
from tests.contract.tensorrt_llm_stand_in.library import Library
from tests.contract.tensorrt_llm_stand_in.shell import blank

DEVICE_MAP = ("GPTForCausalLM", "ChatGLMForCausalLM", "QWenForCausalLM", "FalconForCausalLM")
"""Classes whose load through transformers spreads over all GPUs unless told to stay on the CPU."""


@behaviour("tensorrt_llm.models.*", "tensorrt_llm.models.modeling_utils.PretrainedModel")
class Model:
    """One rank's part of a model. `used` is set by the build, which changes the model for good."""

    config: Any = None

    def __init__(self, context: Context, *, config: Any = None, **_others: Any) -> None:
        self.config = config
        self.digest = ""
        self.used = False

    @classmethod
    def from_hugging_face(
        cls,
        context: Context,
        *,
        hf_model_dir: Any = None,
        hf_model_or_dir: Any = None,
        dtype: str = "auto",
        mapping: Any = None,
        quant_config: Any = None,
        **keywords: Any,
    ) -> Any:
        library, name = context.library, context.cls.__name__
        own = origin(library, name, "from_hugging_face")
        if own in ("TopModelMixin", "PretrainedModel"):
            raise NotImplementedError("Subclass shall override this")
        rank = 0 if mapping is None else mapping._values["rank"]
        context.trip("convert", rank)
        directory = hf_model_or_dir if hf_model_or_dir is not None else hf_model_dir
        if library.minor >= (0, 12):
            quantised_here(quant_config)
        keywords.pop("quant_mode", None)
        family = family_of(name)
        if family.indexed(library) and name in DEVICE_MAP:
            where = "cpu" if keywords.get("load_model_on_cpu") else "auto"
            library.recorder.add(
                "transformers.AutoModelForCausalLM", "from_pretrained", {"device_map": where}
            )
        if keywords.get("load_by_shard") and name == "FalconForCausalLM" and library.minor <= (0, 13):
            raise TypeError("load_weights_from_hf_by_shard() takes 2 positional arguments but 3 were given")
        converted = convert(library, name, directory, dtype, mapping, quant_config, keywords)
        if library.minor < (0, 9):
            # Every rank's model says rank 0 until its config's `set_rank` is called.
            converted.config["mapping"]["rank"] = 0
        return model(context, converted.config, converted.digest(rank))

    @classmethod
    def from_checkpoint(
        cls, context: Context, *, ckpt_dir: str, rank: int | None = None, config: Any = None, **_others: Any
    ) -> Any:
        values = checkpoint.config_of(Path(ckpt_dir)) if config is None else config.to_dict()
        number = values["mapping"]["rank"] if rank is None else rank
        context.trip("load", number)
        if number >= values["mapping"]["world_size"]:
            raise ValueError(f"rank {number} of a checkpoint for {values['mapping']['world_size']} ranks")
        values["mapping"]["rank"] = number
        return model(context, values, checkpoint.digest_of(Path(ckpt_dir), number))

    @classmethod
    def from_config(cls, context: Context, *, config: Any) -> Any:
        return model(context, config.to_dict(), "")

    @classmethod
    def quantize(cls, context: Context, **arguments: Any) -> None:
        quantize.quantize(context, origin(context.library, context.cls.__name__, "quantize"), **arguments)

    def save_checkpoint(self, *, output_dir: Any, save_config: bool = True) -> None:
        values = self.config.to_dict()
        if save_config:
            checkpoint.write_config(Path(output_dir), values)
        checkpoint.write_rank(Path(output_dir), values["mapping"]["rank"], self.digest)

    def release(self) -> None:
        self.used = True


def model(context: Context, config: dict[str, Any], digest: str) -> Any:
    """Return an object of the class that was called, with a config of its own."""
    shell = blank(context.cls, {})
    own = Model(Context(context.library, context.symbol, context.cls, shell))
    own.config = made(context.library, json.loads(json.dumps(config, default=str)))
    own.digest = digest
    object.__setattr__(shell, "_behaviour", own)
    return shell


def origin(library: Library, cls: str, method: str) -> str:
    """Return which class defines a class method: `own`, or the name of a base."""
    table = library.entries.get("tensorrt_llm.models.MODEL_MAP", {}).get(method, {})
    entry = library.entries.get(f"tensorrt_llm.models.{cls}", {})
    if cls in table:
        return str(table[cls])
    return (
        "own"
        if method in entry.get("methods", {})
        else str(entry.get("inherited_methods", {}).get(method, ""))
    )
