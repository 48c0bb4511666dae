"""A whole service with option.tracing=otlp, over the toy engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from djl_trtllm import service
from djl_trtllm.errors import CompileError, LoadError
from djl_trtllm.rolling_batch.admit import Arrival
from tests.support.otlp_receiver import Receiver, receiver
from tests.support.toy_runtime import ToyRuntime, chosen, load_options

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = b'{"inputs": "the fox", "parameters": {"max_new_tokens": 5}}'
CHAT = b'{"prompt": "the fox", "max_tokens": 3, "model": "a name of the client"}'


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiver() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        yield found


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> ToyRuntime:
    return chosen(monkeypatch)


@pytest.fixture
def options(tmp_path: Path) -> dict[str, str]:
    return load_options(tmp_path, tracing="otlp")


def test_a_load_and_its_requests(runtime: ToyRuntime, options: dict[str, str], collector: Receiver) -> None:
    served = service.load(options, {}, 1 << 20)
    served.answer(
        [
            Arrival(GOOD, {"traceparent": f"00-{TRACE}-{PARENT}-01", "requestId": "0c9d"}),
            Arrival(b'{"inputs": 7}', {}),
            Arrival(CHAT, {}),
        ]
    )
    served.close()
    service.load(options, {}, 1 << 20).close()
    first, second = collector.named("load checkpoint")
    assert (first.attributes["djl_trtllm.cache"], second.attributes["djl_trtllm.cache"]) == ("miss", "hit")
    stages = [span.name for span in collector.spans if span.parent == first.id]
    assert "opening the engine" in stages
    assert len(stages) > 3
    good, bad, chat = sorted(
        collector.named("text_completion checkpoint"), key=lambda span: span.attributes["djl_trtllm.request"]
    )
    assert (good.trace, good.parent) == (TRACE, PARENT)
    assert good.attributes["gen_ai.request.id"] == "0c9d"
    assert good.attributes["gen_ai.usage.output_tokens"] == 5
    assert good.attributes["gen_ai.response.finish_reasons"] == ["length"]
    assert bad.attributes["error.type"] == "invalid_request"
    assert bad.attributes["http.response.status_code"] == 400
    assert chat.attributes["gen_ai.usage.output_tokens"] == 3
    assert b"of the client" not in b"".join(collector.raw)


def test_a_load_that_fails(runtime: ToyRuntime, options: dict[str, str], collector: Receiver) -> None:
    runtime.fail_open = CompileError("The engine does not start.")
    with pytest.raises(LoadError):
        service.load(options, {}, 1 << 20)
    (load,) = collector.named("load checkpoint")
    assert load.attributes["error.type"] == "compile_failed"
    assert load.status == 2


def test_what_cannot_begin_fails_the_load(
    runtime: ToyRuntime, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    with pytest.raises(LoadError, match=r"option\.tracing=otlp cannot begin"):
        service.load(options, {}, 1 << 20)
