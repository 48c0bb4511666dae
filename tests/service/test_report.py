"""The start-up report: one title, aligned rows, nothing unknown and nothing secret in it."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace

import pytest

from djl_trtllm.core import Limit
from djl_trtllm.engines.estimate import GPU, KvCache
from djl_trtllm.options import sources
from djl_trtllm.options.secrets import Redaction
from djl_trtllm.options.table import Options
from djl_trtllm.service.report import Block, Report, count, lines
from djl_trtllm.telemetry.lines import JsonLines
from tests.support import estimates
from tests.support.toy_engine import toy_limits

GIB = 2**30


def options(environ: dict[str, str] | None = None, **values: object) -> Options:
    return sources.read({name: str(value) for name, value in values.items()}, environ or {})


def report(**changes: object) -> Report:
    known = Report(
        origin="owner/name@main",
        runtime="openvino",
        why="no GPU is visible",
        options=options(max_input_len=100),
        family="LLaMA",
        artifact="cache hit (0123456789ab): compiled before",
        limits=toy_limits(),
        estimate=estimates.ESTIMATE,
        free_bytes=7 * GIB,
        seconds=12.34,
        versions={"djl-trtllm": "0.1.0", "openvino": "2026.4.1"},
    )
    return replace(known, **changes)  # type: ignore[arg-type]


def rows(told: Report) -> dict[str, str]:
    return {line[2:12].strip(): line[12:] for line in lines(told)[1:]}


def test_the_block() -> None:
    assert lines(report()) == [
        "ready after 12.3 s",
        "  model     owner/name@main, LLaMA, 134.5M parameters, bf16",
        "  runtime   openvino: no GPU is visible",
        "  artifact  cache hit (0123456789ab): compiled before",
        "  limits    input 1024 (max_input_len), output 512 (max_output_len), total 2048 (config.json),"
        " batch 32 (max_rolling_batch_size)",
        "  KV cache  65536 tokens (openvino_kv_cache): 42 requests of 1536 tokens at once",
        "  memory    weights 256.0 MiB, KV cache 1.4 GiB, of 16.0 GiB, 7.0 GiB free",
        "  timeouts  model_loading_timeout 240 s (default), 12 s of it used, predict_timeout 120 s (default),"
        " stall_timeout 60 s (default)",
        "  options   max_input_len=100 (serving.properties)",
        "  versions  djl-trtllm 0.1.0, openvino 2026.4.1",
    ]


def test_the_block_as_an_object() -> None:
    told = logging.makeLogRecord({"msg": Block(report(notes=["a is odd", "b is, too"]))})
    found = json.loads(JsonLines(Redaction()).format(told))
    assert found["message"] == "ready after 12.3 s"
    fields = found["fields"]
    assert fields["seconds"] == 12.34
    assert fields["kv_cache"].startswith("65536 tokens")
    assert fields["notes"] == ["a is odd", "b is, too"]
    assert fields.keys() == {
        "seconds",
        "notes",
        *(label.lower().replace(" ", "_") for label in rows(report())),
    }
    assert list(Block(report(seconds=None)).objects(lambda title, *_: title)) == ["start-up report"]


def test_what_is_not_known_is_left_out() -> None:
    bare = Report(origin="m", runtime="openvino", why="no GPU is visible", options=options())
    assert lines(bare) == [
        "start-up report",
        "  model     m",
        "  runtime   openvino: no GPU is visible",
        "  timeouts  model_loading_timeout 240 s (default), predict_timeout 120 s (default),"
        " stall_timeout 60 s (default)",
    ]


def test_before_a_start_the_estimate_stands_for_the_limits() -> None:
    told = rows(report(limits=None, seconds=None, free_bytes=None))
    assert "limits" not in told
    assert told["KV cache"] == "about 65536 tokens (openvino_kv_cache): 42 requests of 1536 tokens at once"
    assert told["memory"] == "weights 256.0 MiB, KV cache 1.4 GiB, of 16.0 GiB"


def test_gpus_and_ranks_are_named() -> None:
    kv = KvCache(
        65536.0, 100_000, "option kv_cache_free_gpu_mem_fraction=0.9, of what the weights leave free"
    )
    expected = estimates.estimate(device=GPU, devices=2, kv=kv)
    limits = replace(toy_limits(), kv_cache_tokens=Limit(90_000, "option kv_cache_free_gpu_mem_fraction=0.9"))
    told = rows(report(estimate=expected, limits=limits, ranks=2, runtime="trtllm", why="2 GPUs are here"))
    assert told["runtime"] == "trtllm on 2 ranks: 2 GPUs are here"
    assert told["KV cache"].startswith(
        "90000 tokens (option kv_cache_free_gpu_mem_fraction=0.9): 58 requests"
    )
    assert told["memory"] == "weights 256.0 MiB, KV cache 5.5 GiB, of 16.0 GiB on each GPU, 7.0 GiB free"
    assert "rank_timeout 210 s (model_loading_timeout - 30)" in told["timeouts"]


def test_an_engine_that_does_not_tell_its_cache_is_estimated() -> None:
    kv = KvCache(
        65536.0, 100_000, "option kv_cache_free_gpu_mem_fraction=0.9, of what the weights leave free"
    )
    limits = replace(toy_limits(), kv_cache_tokens=Limit(1536 * 32, "option max_rolling_batch_size times"))
    told = rows(report(estimate=estimates.estimate(device=GPU, kv=kv), limits=limits))
    assert told["KV cache"].startswith(
        "about 100000 tokens (option kv_cache_free_gpu_mem_fraction=0.9, of what"
    )


def test_a_cache_that_is_too_small_for_one_request_is_said() -> None:
    limits = replace(toy_limits(), kv_cache_tokens=Limit(96, "openvino_kv_cache"))
    assert rows(report(limits=limits))["KV cache"] == (
        "96 tokens (openvino_kv_cache): less than one request of 1536 tokens, the longest allowed"
    )
    one = replace(toy_limits(), kv_cache_tokens=Limit(1600, "openvino_kv_cache"))
    assert rows(report(limits=one))["KV cache"].endswith(": 1 request of 1536 tokens at once")


def test_without_an_estimate_the_limits_stand_alone() -> None:
    told = rows(report(estimate=None, free_bytes=None))
    assert told["KV cache"] == "65536 tokens (openvino_kv_cache)"
    assert "memory" not in told
    assert told["model"] == "owner/name@main, LLaMA"


def test_timeouts_name_what_set_them() -> None:
    chosen = options({"MODEL_LOADING_TIMEOUT": "600"}, predict_timeout=30)
    told = rows(report(options=chosen, seconds=59.6))["timeouts"]
    assert told.startswith("model_loading_timeout 600 s (MODEL_LOADING_TIMEOUT), 60 s of it used, ")
    assert "predict_timeout 30 s (serving.properties)" in told


def test_notes_are_one_line_each() -> None:
    told = [line for line in lines(report(notes=("a is ignored.", "b is not."))) if "note" in line]
    assert told == ["  note      a is ignored.", "  note      b is not."]


@pytest.mark.parametrize(
    ("changes", "secret"),
    [
        ({"origin": "https://me:hunter2@host/m"}, "hunter2"),
        ({"options": options(calib_dataset="https://b/p?X-Amz-Signature=0123abcd")}, "0123abcd"),
        ({"options": options(model_id="hf_abcdefghijklmnop/name")}, "hf_abcdefghijklmnop"),
        ({"notes": ("token=s3cr3t is not an option.",)}, "s3cr3t"),
        ({"artifact": "fetched from s3://AKIAIOSFODNN7EXAMPLE:key@b/x"}, "AKIAIOSFODNN7EXAMPLE"),
    ],
)
def test_no_line_holds_a_secret(changes: dict[str, object], secret: str) -> None:
    text = "\n".join(lines(report(**changes)))
    assert secret not in text
    assert "(hidden)" in text


def test_an_unknown_option_s_value_is_not_in_it() -> None:
    chosen = options(hf_token="hunter2hunter2", my_password="hunter2")
    text = "\n".join(lines(report(options=chosen, notes=chosen.warnings)))
    assert "my_password" in text
    assert "hunter2" not in text


def test_rows_are_aligned_and_of_one_line() -> None:
    for line in lines(report(quality="next-token agreement 0.99", notes=("n",)))[1:]:
        assert re.match(r"  (?:KV cache|[a-z]+) +(?=\S)", line)
        assert line[11] == " "
        assert line[12] != " "
        assert "\n" not in line


@pytest.mark.parametrize(
    ("number", "text"), [(8_030_261_248, "8.0B"), (134_515_008, "134.5M"), (474_752, "474.8K"), (12, "12")]
)
def test_parameters_as_people_write_them(number: int, text: str) -> None:
    assert count(number) == text
