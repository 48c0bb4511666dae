"""What a directory of TensorRT engines looks like: one file a rank, and the config.json that the builder wrote.

File names are of two times: `rank<i>.engine` (trtllm-build, 0.8 and later) and `<model>_<dtype>_tp<N>_rank<i>.engine`
(the build.py scripts up to 0.8, and LMI's model repositories of that time).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

CONFIG = "config.json"
_RANK = re.compile(r"(?:.*_)?rank(\d+)\.engine")


def rank_files(directory: Path) -> dict[int, Path]:
    """Return the engine file of each rank that has one. `rank<i>.engine` comes before a longer name."""
    found: dict[int, Path] = {}
    for path in sorted(directory.glob("*.engine")):
        match = _RANK.fullmatch(path.name)
        if match is not None and (int(match[1]) not in found or path.name == f"rank{match[1]}.engine"):
            found[int(match[1])] = path
    return found


def is_builders(config: Mapping[str, object]) -> bool:
    """Whether a config.json describes engines: TensorRT-LLM's builder wrote it, not transformers."""
    return isinstance(config.get("build_config"), Mapping) or isinstance(
        config.get("builder_config"), Mapping
    )
