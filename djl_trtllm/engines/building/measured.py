"""The result of measuring, whatever happens: a comparison that fails is told in the figures' place."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from djl_trtllm.compile.quality import Quality, line
from djl_trtllm.errors import CompileError, OutOfMemory, UnsupportedModel

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

_DIRECTORIES = re.compile(r"(?<![\w.])(?:/[^\s/:'\"]+)+/")
_logger = logging.getLogger(__name__)


def without_directories(text: str) -> str:
    """Return a text with files by name only: a manifest goes to other machines."""
    return _DIRECTORIES.sub("", text)


def quality_of(measure: Callable[[], Mapping[str, Any]], options: Options) -> Quality:
    """Return what `measure` finds, or why it failed, and log either. Errors of the team are raised."""
    try:
        found = Quality(**measure())
    except (CompileError, OutOfMemory, UnsupportedModel, OSError) as error:
        found = Quality(note=without_directories(str(error)))
    found = replace(found, floor=options.quality_floor)
    level = logging.WARNING if found.agreement is None else logging.INFO
    _logger.log(level, "quantize=%s: %s", options.quantize, line(found.content()))
    return found
