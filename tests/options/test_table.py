from __future__ import annotations

import json

import pytest

from djl_trtllm.options.kinds import Size
from djl_trtllm.options.runtimes import SAME_ANYWAY, UNUSED
from djl_trtllm.options.table import ALIASES, DEFAULTS, SPECS, Options

GUIDE = {
    "max_input_len": 1024,
    "max_output_len": 512,
    "use_custom_all_reduce": False,
    "tokens_per_block": 128,
    "batch_scheduler_policy": "max_utilization",
    "kv_cache_free_gpu_mem_fraction": 0.95,
    "enable_trt_overlap": False,
    "enable_kv_cache_reuse": False,
    "multi_block_mode": False,
    "use_fused_mlp": False,
    "smoothquant_alpha": 0.8,
    "smoothquant_per_token": False,
    "smoothquant_per_channel": False,
    "multi_query_mode": False,
    "q_format": "int4_awq",
    "calib_size": 32,
}


def test_defaults_are_those_of_the_guide() -> None:
    options = Options()
    assert {name: getattr(options, name) for name in GUIDE} == GUIDE


def test_every_default_is_a_value_that_its_kind_allows() -> None:
    derived = {"max_num_sequences", "rank_timeout"}
    for name, default in DEFAULTS.items():
        if default is None or name in derived:
            assert SPECS[name].default or SPECS[name].kind.parse, name
            continue
        text = str(default).lower() if isinstance(default, bool) else str(default)
        assert SPECS[name].kind.parse(text) == default, name


def test_numbers_that_follow_others() -> None:
    assert Options(max_rolling_batch_size=7).max_num_sequences == 7
    assert Options(max_rolling_batch_size=7, max_num_sequences=3).max_num_sequences == 3
    assert Options().rank_timeout == 210
    assert Options(model_loading_timeout=40).rank_timeout == 20
    assert Options(model_loading_timeout=1).rank_timeout == 1
    assert Options(rank_timeout=5).rank_timeout == 5


@pytest.mark.parametrize(
    ("degree", "devices", "number"), [(None, 8, 1), ("max", 4, 4), ("max", 0, 1), ("2", 8, 2)]
)
def test_tensor_parallel(degree: str | None, devices: int, number: int) -> None:
    assert Options(tensor_parallel_degree=degree).tensor_parallel(devices) == number


def test_only_what_matters_enters_the_cache_key() -> None:
    plain = Options().build_values("openvino")
    assert plain == {"dtype": "auto"}
    run_time = Options(
        max_input_len=77, max_rolling_batch_size=4, openvino_precision="exact", smoothquant_alpha=0.1
    )
    assert run_time.build_values("openvino") == plain
    assert Options(quantize="smoothquant", smoothquant_alpha=0.1).build_values("openvino") == {
        "dtype": "auto",
        "quantize": "smoothquant",
        "smoothquant_alpha": 0.1,
        "calib_size": 32,
    }
    assert Options(max_input_len=77).build_values("trtllm")["max_input_len"] == 77


@pytest.mark.parametrize("runtime", UNUSED)
def test_build_values_are_json(runtime: str) -> None:
    everything = Options(
        quantize="awq", rotary_scaling_type="linear", rotary_scaling_factor=2.0, rotary_base=1e6
    )
    values = everything.build_values(runtime)
    assert json.loads(json.dumps(values)) == values


def test_names_in_other_tables_exist() -> None:
    named = set(ALIASES.values())
    for table in (*UNUSED.values(), *SAME_ANYWAY.values()):
        named |= table.keys()
    named |= {spec.only_with[0] for spec in SPECS.values() if spec.only_with}
    assert named <= SPECS.keys()
    assert not ALIASES.keys() & SPECS.keys()


def test_help_is_a_sentence() -> None:
    for name, spec in SPECS.items():
        assert spec.help.endswith("."), name


def test_an_unset_option_is_from_its_default() -> None:
    options = Options(guide_max_bytes=Size(1), sources={"guide_max_bytes": "serving.properties"})
    assert options.source_of("guide_max_bytes") == "serving.properties"
    assert options.source_of("max_input_len") == "default"
