"""`Mapping`: which rank has which part of the model."""

from __future__ import annotations

from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour

SIZES = ("world_size", "rank", "gpus_per_node", "tp_size", "pp_size", "cp_size", "moe_tp_size", "moe_ep_size")


@behaviour("tensorrt_llm.mapping.Mapping")
class Mapping:
    """Tensor parallel ranks are neighbours; the pipeline is the outer loop."""

    def __init__(self, context: Context, **sizes: Any) -> None:
        self._sizes = sizes
        world, tp, pp = sizes["world_size"], sizes["tp_size"], sizes["pp_size"]
        if tp * pp * sizes.get("cp_size", 1) != world:
            raise ValueError(
                f"world_size must equal to tp_size * pp_size * cp_size, but got {world} != {tp} * {pp} * "
                f"{sizes.get('cp_size', 1)}"
            )
        if not 0 <= sizes["rank"] < world:
            raise ValueError(f"rank must be less than world_size, but got {sizes['rank']} >= {world}")

    @property
    def tp_rank(self) -> int:
        return int(self._sizes["rank"] % self._sizes["tp_size"])

    @property
    def pp_rank(self) -> int:
        return int(self._sizes["rank"] // self._sizes["tp_size"])

    @property
    def local_rank(self) -> int:
        return int(self._sizes["rank"] % self._sizes["gpus_per_node"])

    def has_tp(self) -> bool:
        return bool(self._sizes["tp_size"] > 1)

    def has_pp(self) -> bool:
        return bool(self._sizes["pp_size"] > 1)

    def is_first_pp_rank(self) -> bool:
        return self.pp_rank == 0

    def is_last_pp_rank(self) -> bool:
        return self.pp_rank == self._sizes["pp_size"] - 1

    def to_dict(self) -> dict[str, int]:
        return {name: self._sizes[name] for name in SIZES if name in self._sizes}

    @classmethod
    def from_dict(cls, context: Context, *, mapping: dict[str, int]) -> Any:
        return context.cls(**mapping)


def sizes_of(mapping: Any) -> dict[str, int]:
    """Return what the engine's config.json holds of a mapping; one rank where there is none."""
    if mapping is None:
        return {"world_size": 1, "rank": 0, "tp_size": 1, "pp_size": 1}
    values = mapping._values
    return {name: values[name] for name in SIZES if name in values}
