"""The two layouts of a model repository, as DJL-Serving recognises them (LmiUtils.isValidTrtLlmModelRepo).

lmi, 0.27 to 0.32                          flat, 0.33 and later
<repository>/tensorrt_llm/config.pbtxt     <repository>/config.json, with build_config
                          tokenizer files              rank<N>.engine
                          1/config.json                tokenizer files
                          1/rank<N>.engine             serving.properties, without model_id
"""

from __future__ import annotations

import enum
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from djl_trtllm.core import CompiledModel
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.local import properties
from djl_trtllm.model.checkpoint import TOKENIZER_FILES
from djl_trtllm.model.engine_directory import CONFIG
from djl_trtllm.model.partitioned import ENGINES, Record
from djl_trtllm.options.table import Options
from djl_trtllm.partition import triton

NAME = "tensorrt_llm"
"""The directory in a repository of the old layout; any name would do."""

VERSION = "1"
_TOKENIZER = "tokenizer_config.json"
_TEXT = (*TOKENIZER_FILES, "text.json", "generation_config.json")
_LAST_FLAT = (0, 12)
"""The TensorRT-LLM of LMI 0.32; 0.33 came with 0.21."""


class Layout(enum.Enum):
    """Which layout, by the word for it on the command line."""

    LMI = "lmi"
    FLAT = "flat"

    @classmethod
    def of(cls, release: Release | None) -> Layout:
        """Return the layout of the LMI container that has this release of TensorRT-LLM."""
        return cls.LMI if release is None or (release.major, release.minor) <= _LAST_FLAT else cls.FLAT


@dataclass(frozen=True, slots=True)
class Content:
    """What goes into a repository: the model with its text, what it was made from and by which options.

    `pairs` are those of serving.properties.
    """

    model: CompiledModel
    record: Record
    options: Options
    pairs: Mapping[str, str]


def fill(directory: Path, layout: Layout, content: Content, repository: Path) -> None:
    """Lay a model out in an empty directory that will be `repository`. Engines are links where that is possible."""
    if layout is Layout.FLAT:
        home = engines = directory
        text = properties.render({k: v for k, v in content.pairs.items() if k != "option.model_id"})
        (home / "serving.properties").write_text(text, encoding="ascii")
    else:
        home = directory / NAME
        home.mkdir()
        engines = home / VERSION
        place = repository / NAME / VERSION
        (home / triton.FILE).write_text(triton.render(content.options, place), encoding="utf-8")
    if content.record.runtime == ENGINES:
        engines.mkdir(exist_ok=True)
        _link(content.model.path, engines)
    _copy_text(content.model, home)
    if not (home / _TOKENIZER).is_file():
        (home / _TOKENIZER).write_text("{}\n", encoding="ascii")  # DJL looks for the file, not into it
    content.record.write(home)


def _link(source: Path, target: Path) -> None:
    for file in sorted(source.iterdir()):
        if file.is_dir():
            (target / file.name).mkdir()
            _link(file, target / file.name)
            continue
        try:
            os.link(file.resolve(), target / file.name)
        except OSError:  # another disk, or one without links
            shutil.copy2(file, target / file.name)


def _copy_text(model: CompiledModel, home: Path) -> None:
    names = [*_TEXT, CONFIG] if model.text_path != model.path else [*_TEXT]
    for place in (model.text_path, model.path):
        for file in (place / name for name in names):
            if file.is_file() and not (home / file.name).exists() and _is_text(file, model):
                shutil.copy2(file, home / file.name)


def _is_text(file: Path, model: CompiledModel) -> bool:
    """The engines' own config.json is none of the text's files."""
    return file.name != CONFIG or file.parent != model.path
