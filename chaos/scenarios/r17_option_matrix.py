"""R17: each option of the table is changed alone, on every runtime: the key of what is compiled changes exactly then
when the table says that the option decides what is built.
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from unittest import mock

from chaos.figure import Figure, at_least
from chaos.scale import Scale
from djl_trtllm.engines.base import Runtime
from djl_trtllm.engines.openvino.runtime import OpenVINO
from djl_trtllm.engines.trtllm import versions
from djl_trtllm.engines.trtllm.llm_runtime import TensorRTLLMPyTorch
from djl_trtllm.engines.trtllm.runtime import TensorRTLLM
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.options.table import SPECS
from tests.contract.option_cases import ENGINES, PYTORCH
from tests.support.option_matrix import CHANGES, QUICK, Site, built_by, changed, site

FAULT = "each option changed alone"
WITHOUT_ANOTHER = {"q_format"}
"""It has one value only."""


def run(scale: Scale) -> list[Figure]:
    """Change every option on each runtime and release; return the share of the table that is right."""
    releases = list(ENGINES) if scale is Scale.FULL else list(QUICK)
    with tempfile.TemporaryDirectory(prefix="chaos-r17-") as root, site(Path(root)) as place:
        figures = [_figure("openvino", place, OpenVINO(), {"": built_by("openvino")})]
        expected = {release: built_by("trtllm", release) for release in releases}
        figures.append(_figure("trtllm", place, TensorRTLLM(), expected))
        figures.append(
            _figure("trtllm_pytorch", place, TensorRTLLMPyTorch(), {PYTORCH[-1]: set()}, plain=True)
        )
    missing = sorted(set(SPECS) - set(CHANGES) - WITHOUT_ANOTHER)
    tried = 100 * (1 - len(missing) / len(SPECS))
    detail = ", ".join(missing) or f"{len(SPECS)} options"
    return [*figures, at_least("R17.options_tried", FAULT, tried, 100, "%", detail)]


def _figure(
    name: str, place: Site, runtime: Runtime, expected: dict[str, set[str]], *, plain: bool = False
) -> Figure:
    """Compare what changes the key with what is expected to, by release; an option that is refused changes nothing."""
    wrong, tried = [], 0
    for release, built in expected.items():
        found = Release.of(release) if release else None
        with mock.patch.object(versions, "installed", lambda found=found: found):
            for option, change in CHANGES.items():
                used = dataclasses.replace(change, config={}) if plain else change
                outcome = changed(place, runtime, option, used)
                tried += 1
                if outcome is not None and outcome != (option in built):
                    wrong.append(f"{option} on {release or name}")
    percent = 100 * (1 - len(wrong) / tried)
    detail = ", ".join(wrong[:5]) or f"{tried} changes, {len(expected)} releases"
    return at_least(f"R17.{name}", FAULT, percent, 100, "%", detail)
