"""Each option of the table changed alone, on every runtime: the key changes exactly when the table says `build`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from djl_trtllm.engines.openvino.runtime import OpenVINO
from djl_trtllm.engines.trtllm import versions
from djl_trtllm.engines.trtllm.llm_runtime import TensorRTLLMPyTorch
from djl_trtllm.engines.trtllm.runtime import TensorRTLLM
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import OptionsError
from djl_trtllm.options import sources
from djl_trtllm.options.table import SPECS
from tests.contract.option_cases import ENGINES, PYTORCH, span
from tests.support import option_matrix
from tests.support.option_matrix import CHANGES, QUICK, Site, built_by, changed


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with option_matrix.site(tmp_path_factory.mktemp("matrix")) as made:
        yield made


def test_every_option_is_here() -> None:
    assert {*CHANGES, "q_format"} == set(SPECS)
    with pytest.raises(OptionsError):
        sources.read({"quantize": "awq", "q_format": "another"}, {})


def test_on_openvino(site: Site) -> None:
    found = {name: changed(site, OpenVINO(), name) for name in CHANGES}
    refused = {name for name, outcome in found.items() if outcome is None}
    assert refused == {"use_fp8_context_fmha", "baichuan_model_version", "chatglm_model_version"}
    assert {name for name, outcome in found.items() if outcome} == built_by("openvino")


@pytest.mark.parametrize(
    "release", [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in ENGINES]
)
def test_on_trtllm(site: Site, release: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "installed", lambda: Release.of(release))
    found = {name: changed(site, TensorRTLLM(), name) for name in CHANGES}
    built = built_by("trtllm", release)
    wrong = {name for name, outcome in found.items() if outcome is not None and outcome != (name in built)}
    assert wrong == set()
    refused = {name for name, outcome in found.items() if outcome is None}
    if release in span("0.12.0", "1.2~"):
        assert refused == set()


@pytest.mark.parametrize("release", PYTORCH[-1:])
def test_on_trtllm_pytorch_nothing_is_built(
    site: Site, release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "installed", lambda: Release.of(release))
    assert not any("trtllm-pytorch" in spec.build for spec in SPECS.values())
    for name in CHANGES:
        plain = dataclasses.replace(CHANGES[name], config={})
        assert changed(site, TensorRTLLMPyTorch(), name, plain) in (False, None), name
