from __future__ import annotations

import pytest

from djl_trtllm.errors import OptionsError
from djl_trtllm.model.families import FAMILIES
from djl_trtllm.selftest import cases
from djl_trtllm.selftest.cases import QUANTIZE


def test_the_openvino_runtime_is_tried_with_all_it_has() -> None:
    chosen, refused = cases.of_runtime("openvino", 1)
    assert {(case.family, case.quantize) for case in chosen} == {
        (family, kind) for family in FAMILIES for kind in QUANTIZE if kind != "fp8"
    }
    assert {(no.family, no.quantize) for no in refused} == {(family, "fp8") for family in FAMILIES}
    assert all("needs a GPU that computes in FP8" in no.why for no in refused)
    assert {case.dtypes for case in chosen} == {("fp32",)}


def test_less_can_be_asked_for() -> None:
    chosen, refused = cases.of_runtime("openvino", 1, ["gpt2", "llama"], ["none", "fp8"])
    assert [case.name for case in chosen] == ["llama", "gpt2"]
    assert len(refused) == 2


@pytest.mark.parametrize(
    ("families", "quantize", "said"),
    [
        (["lama"], [], "--families: there is no family lama here; there are llama, "),
        ([], ["int3"], "--quantize: there is no quantisation int3 here; there are none, "),
    ],
)
def test_what_nobody_knows_is_refused(families: list[str], quantize: list[str], said: str) -> None:
    with pytest.raises(OptionsError) as caught:
        cases.of_runtime("openvino", 1, families, quantize)
    assert str(caught.value).startswith(said)


def test_a_runtime_that_cannot_be_used_is_an_error_and_no_list() -> None:
    with pytest.raises(OptionsError, match="one process"):
        cases.of_runtime("openvino", 2)
    with pytest.raises(OptionsError, match="none is visible"):
        cases.of_runtime("trtllm", 1)
