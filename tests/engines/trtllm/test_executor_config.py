from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.engines.trtllm import kv_size
from djl_trtllm.engines.trtllm.executor_config import executor_config, fitted
from djl_trtllm.engines.trtllm.resolved import Resolved
from djl_trtllm.ranks import Solo
from tests.contract.tensorrt_llm_stand_in import installed
from tests.contract.tensorrt_llm_stand_in.rows import minor
from tests.engines.trtllm.test_limits import facts
from tests.support.teams import ThreadTeam
from tests.support.trtllm_engines import EXECUTOR_ROWS

PAGED = {"plugins": {"use_paged_context_fmha": True}}


def fit(
    places: dict[str, dict[str, object]], **values: object
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    return fitted(Resolved(places), facts(**values))


def test_what_fits_stays() -> None:
    places = {"ExecutorConfig": {"max_batch_size": 16, "enable_chunked_context": True}}
    assert fit(places, **PAGED) == (places, [])


def test_more_than_was_built_is_lowered() -> None:
    asked = {"max_batch_size": 17, "max_num_tokens": 9000, "max_beam_width": 2}
    places, notes = fit({"ExecutorConfig": asked})
    assert places["ExecutorConfig"] == {"max_batch_size": 16, "max_num_tokens": 8192, "max_beam_width": 1}
    assert "max_batch_size is lowered from 17 to 16, which the engine was built for." in notes
    assert len(notes) == 3
    assert asked["max_batch_size"] == 17
    assert fit({"GptManager": {"max_beam_width": 4}}, max_beam_width=2)[0]["GptManager"] == {
        "max_beam_width": 2
    }


def test_reuse_and_chunks_need_paged_context() -> None:
    asked: dict[str, dict[str, object]] = {
        "KvCacheConfig": {"enable_block_reuse": True},
        "ExecutorConfig": {"enable_chunked_context": True},
        "TrtGptModelOptionalParams": {"enable_chunked_context": False},
    }
    places, notes = fit(asked)
    assert places["KvCacheConfig"] == {"enable_block_reuse": False}
    assert places["ExecutorConfig"] == {"enable_chunked_context": False}
    assert len(notes) == 2
    assert fit(asked, **PAGED)[1] == []


def test_a_size_of_the_cache_becomes_tokens(tmp_path: Path) -> None:
    model = {"num_hidden_layers": 4, "num_attention_heads": 8, "hidden_size": 512, "dtype": "float16"}
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_config": model}))
    places, notes = fit({"KvCache": {"max_bytes": 1 << 20}}, path=tmp_path)
    assert (places, notes) == ({"KvCacheConfig": {"max_tokens": (1 << 20) // (2 * 4 * 512 * 2)}}, [])
    (tmp_path / "config.json").write_text("{}")
    places, (note,) = fit({"KvCache": {"max_bytes": 1 << 20}}, path=tmp_path)
    assert places == {}
    assert "its own default" in note


@pytest.mark.parametrize(
    ("model", "tp", "pp", "expected"),
    [
        ({"num_key_value_heads": 2}, 1, 1, 2 * 4 * 2 * 64 * 2),
        ({"num_key_value_heads": 2}, 4, 2, 2 * 2 * 1 * 64 * 2),
        ({"head_size": 128}, 1, 1, 2 * 4 * 8 * 128 * 2),
        ({"dtype": "float32"}, 1, 1, 2 * 4 * 8 * 64 * 4),
        ({"quantization": {"kv_cache_quant_algo": "FP8"}}, 1, 1, 2 * 4 * 8 * 64),
        ({"hidden_size": None}, 1, 1, None),
    ],
)
def test_what_a_token_takes(model: dict[str, object], tp: int, pp: int, expected: int | None) -> None:
    known = {"num_hidden_layers": 4, "num_attention_heads": 8, "hidden_size": 512, "dtype": "float16"}
    assert kv_size.bytes_per_token({"pretrained_config": {**known, **model}}, tp, pp) == expected


def test_what_a_token_takes_in_engines_of_old() -> None:
    builder = {"num_layers": 4, "num_heads": 8, "hidden_size": 512, "precision": "float16"}
    assert kv_size.bytes_per_token({"builder_config": builder}, 2, 1) == 2 * 4 * 4 * 64 * 2
    assert kv_size.bytes_per_token({"builder_config": {**builder, "int8": True}}, 1, 1) == 2 * 4 * 8 * 64


@pytest.mark.parametrize("row", EXECUTOR_ROWS)
def test_every_release_takes_its_configuration(row: str) -> None:
    policy = "policy" if minor(row) < (0, 10) else "capacity_scheduler_policy"
    places: dict[str, dict[str, Any]] = {
        "ExecutorConfig": {"max_beam_width": 2},
        "KvCacheConfig": {"free_gpu_memory_fraction": 0.5, "enable_block_reuse": False},
        "SchedulerConfig": {policy: "MAX_UTILIZATION"},
    }
    if minor(row) >= (0, 12):
        places["ExtendedRuntimePerfKnobConfig"] = {"multi_block_mode": True}
    with installed(row):
        from tensorrt_llm.bindings import executor

        made = executor_config(executor, places, Solo(), 8)
        assert made.max_beam_width == 2
        assert made.kv_cache_config.free_gpu_memory_fraction == 0.5
        assert getattr(made.scheduler_config, policy).name == "MAX_UTILIZATION"
        assert made.parallel_config is None
        if minor(row) >= (0, 12):
            assert made.extended_runtime_perf_knob_config.multi_block_mode is True


@pytest.mark.parametrize(("gpus", "devices"), [(8, [0, 1, 2, 3]), (2, [0, 1, 0, 1]), (0, None)])
def test_ranks_are_told_who_takes_part_where(gpus: int, devices: list[int] | None) -> None:
    with installed("1.2~"):
        from tensorrt_llm.bindings import executor

        team = ThreadTeam(0, 4, None)  # type: ignore[arg-type]
        parallel = executor_config(executor, {}, team, gpus).parallel_config
        assert parallel.communication_mode is executor.CommunicationMode.LEADER
        assert parallel.participant_ids == [0, 1, 2, 3]
        assert parallel.device_ids == devices
