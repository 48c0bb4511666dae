from __future__ import annotations

import logging

import pytest

from djl_trtllm.engines import registry
from djl_trtllm.errors import OptionsError
from djl_trtllm.options import sources


def options(**values: str):
    return sources.read(values, {})


@pytest.mark.parametrize("values", [{}, {"runtime": "openvino"}, {"tensor_parallel_degree": "1"}])
def test_openvino_is_chosen_and_the_log_says_why(
    values: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert registry.choose(options(**values), 1).name == "openvino"
    assert len(caplog.records) == 1
    assert caplog.records[0].message.startswith("runtime openvino: ")


@pytest.mark.parametrize("runtime", ["trtllm", "trtllm-pytorch"])
def test_a_runtime_that_is_not_here_is_named_with_what_is(runtime: str) -> None:
    with pytest.raises(OptionsError, match=rf"runtime={runtime} .*this version has openvino"):
        registry.choose(options(runtime=runtime), 1)


def test_parallel_degrees_are_refused_with_the_runtime_that_can() -> None:
    with pytest.raises(OptionsError) as caught:
        registry.choose(options(tensor_parallel_degree="4", pipeline_parallel_degree="2"), 1)
    assert len(caught.value.problems) == 2
    assert all("needs the runtime trtllm" in problem for problem in caught.value.problems)


def test_more_than_one_rank_is_refused() -> None:
    with pytest.raises(OptionsError, match="2 MPI ranks were started"):
        registry.choose(options(), 2)


def test_max_means_one_on_a_cpu() -> None:
    assert registry.choose(options(tensor_parallel_degree="max"), 1).name == "openvino"
