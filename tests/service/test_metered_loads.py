"""Metrics from the beginning of a load to the end of the service."""

from __future__ import annotations

import re
import threading
import urllib.request
from pathlib import Path

import pytest

from djl_trtllm import service
from djl_trtllm.core import CompiledModel
from djl_trtllm.errors import CompileError, LoadError
from djl_trtllm.rolling_batch.admit import Arrival
from djl_trtllm.service import artifact
from djl_trtllm.telemetry.prometheus import Endpoint
from djl_trtllm.telemetry.readings import Sources
from tests.support.toy_runtime import ToyRuntime, chosen, load_options, save_tokenizer
from tests.telemetry.test_prometheus import HOST, free_port


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> ToyRuntime:
    return chosen(monkeypatch)


@pytest.fixture
def options(tmp_path: Path) -> dict[str, str]:
    return load_options(tmp_path, "a-checkpoint", metrics_port=str(free_port()), metrics_host=HOST)


def load(options: dict[str, str]) -> service.Service:
    return service.load(options, {}, 1 << 20)


def scraped(options: dict[str, str], name: str) -> dict[str, float]:
    """The samples of one series, by their labels but for the model's name."""
    with urllib.request.urlopen(f"http://{HOST}:{options['metrics_port']}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    found = re.findall(rf"^djl_trtllm_{name}{{(.*)}} (.*)$", text, re.MULTILINE)
    return {
        ",".join(label for label in labels.split(",") if label != 'model_name="a-checkpoint"'): float(value)
        for labels, value in found
    }


def free(options: dict[str, str]) -> None:
    """Fail where anybody still listens."""
    Endpoint(Sources(), "m", HOST, int(options["metrics_port"]), "default").close()


def test_a_compiled_model_then_a_cached_one(runtime, options) -> None:
    for result, other in (("miss", "hit"), ("hit", "miss")):
        served = load(options)
        assert scraped(options, "engine_cache_lookups_total") == {
            f'result="{result}"': 1,
            f'result="{other}"': 0,
        }
        assert scraped(options, "compile_seconds")[""] >= 0
        assert scraped(options, "model_load_seconds")[""] > 0
        assert scraped(options, "engine_up") == {"": 1}
        served.close()
        free(options)


def test_whole_answers_are_counted_too(runtime, options) -> None:
    served = load(options)
    body = b'{"inputs": "the fox", "parameters": {"max_new_tokens": 5}}'
    served.answer([Arrival(body, {"Content-Type": "application/json"})])
    assert scraped(options, "generation_tokens_total") == {"": 5}
    assert scraped(options, "request_success_total") == {
        'finished_reason="stop"': 0,
        'finished_reason="length"': 1,
    }
    served.close()


def test_a_model_that_loads_can_be_scraped(runtime, options, monkeypatch) -> None:
    building, go_on, served = threading.Event(), threading.Event(), []
    build = runtime.build

    def slow(*arguments) -> None:
        building.set()
        assert go_on.wait(60)
        build(*arguments)

    monkeypatch.setattr(runtime, "build", slow)
    thread = threading.Thread(target=lambda: served.append(load(options)))
    thread.start()
    assert building.wait(60)
    try:
        assert scraped(options, "engine_up") == {"": 0}
        assert scraped(options, "model_load_seconds") == {"": 0}
    finally:
        go_on.set()
        thread.join()
    assert scraped(options, "engine_up") == {"": 1}
    served[0].close()


def test_a_load_that_fails_listens_no_more(runtime, options) -> None:
    runtime.fail_open = CompileError("The engine does not start.")
    with pytest.raises(LoadError, match="does not start"):
        load(options)
    free(options)


def test_a_taken_port_is_said_before_anything_is_built(runtime, options) -> None:
    other = Endpoint(Sources(), "m", HOST, int(options["metrics_port"]), "default")
    try:
        with pytest.raises(LoadError, match="Metrics cannot be served"):
            load(options)
    finally:
        other.close()
    assert runtime.builds == 0


def test_a_model_that_is_taken_as_it_is_was_not_looked_for_in_the_cache(
    runtime, options, tmp_path, monkeypatch
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    save_tokenizer(own)
    monkeypatch.setattr(artifact, "locate", lambda *_: CompiledModel(own, "a directory of the user"))
    served = load(options)
    assert set(scraped(options, "engine_cache_lookups_total").values()) == {0}
    assert scraped(options, "compile_seconds") == {}
    served.close()
