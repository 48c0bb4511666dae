"""A worker over the toy engine, driven through DJL's entry point with canaries in everything that clients send.

    python -m tests.support.canary_worker <directory> <log format> [crash]

What it prints is its log; the metrics page, and what clients were told, are left in the directory.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import threading
import urllib.request
from pathlib import Path

from tests.support import canaries, djl_python

djl_python.importable()

from djl_python.inputs import Input  # noqa: E402

from djl_trtllm import handler, worker  # noqa: E402
from djl_trtllm.core import EngineRequest  # noqa: E402
from djl_trtllm.engines import registry  # noqa: E402
from djl_trtllm.errors import DjlTrtllmError, GenerationFailed  # noqa: E402
from djl_trtllm.service import Service  # noqa: E402
from tests.support import loop, toy_engine  # noqa: E402
from tests.support.java_side import JavaSide  # noqa: E402
from tests.support.ports import free_port  # noqa: E402
from tests.support.toy_runtime import ToyRuntime, write_checkpoint  # noqa: E402

FORMATTER = """
import os

def raising(output):
    raise ValueError(repr(output) + os.environ["HF_TOKEN"])
"""
IMPORT = """
import os
raise RuntimeError("no access with " + os.environ["HF_TOKEN"] + " and password=zq7xpassword")
"""
WRONG = {
    "max_input_len": canaries.SECRETS["HF_TOKEN"],
    "quantize": f"token={canaries.SECRETS['AWS_SESSION_TOKEN']}",
    "cache_remote": "https://me:zq7xpass@bucket.s3/x?X-Amz-Signature=zq7xsignature",
    "hf_tokn": "zq7xsome",
}
REFUSED = (
    WRONG,
    {"model_id": "s3://AKIAZQ7XZQ7XZQ7X:zq7xpass@bucket/x"},
    {"model_id": "/nowhere/" + canaries.SECRETS["MY_API_KEY"]},
    {"output_formatter": "broken.py:f"},
    {"metrics_port": "1", "metrics_host": canaries.SECRETS["HF_TOKEN"]},
)
"""Options that fail a load, with credentials in them."""


class Runtime(ToyRuntime):
    """The toy, whose engine does all that clients may ask for and can be made to fail."""

    def engine(self, model, options, team):
        made = super().engine(model, options, team)
        made.features = toy_engine.EVERYTHING
        made.fail = failing
        made.die_when = lambda request: request.sampling.seed == 666
        return made


def failing(request: EngineRequest) -> DjlTrtllmError | None:
    if request.sampling.seed == 13:
        return GenerationFailed("The toy engine gave this request up.")
    return None


def load(directory: Path, log_format: str, **more: str) -> None:
    inputs = Input()
    checkpoint = directory / "checkpoint"
    if not checkpoint.exists():
        write_checkpoint(checkpoint)
    inputs.properties.update(
        {
            "model_id": str(checkpoint),
            "model_dir": str(directory),
            "cache_dir": str(directory / "cache"),
            "rolling_batch": "auto",
            "log_format": log_format,
            "tracing": "otlp",
            "max_input_len": "500",
            "my_secret_key": canaries.SECRETS["MY_API_KEY"],
            **more,
        }
    )
    worker._part = worker._load
    output = handler.handle(inputs)
    if output is not None:
        print(f"LOAD {output.code} {output.message}", flush=True)


def serve(directory: Path, log_format: str) -> None:
    """Send every kind of request, alone and together."""
    told: dict[str, list[object]] = {}
    port = free_port()
    load(directory, log_format, metrics_port=str(port))
    java = JavaSide(handler.handle)
    for bodies in (canaries.GOOD, canaries.GUIDED, canaries.BAD):
        clients = {name: java.send(body, **canaries.HEADERS) for name, body in bodies.items()}
        java.run()
        told |= {
            name: [client.text, client.error, client.response_headers] for name, client in clients.items()
        }
    for seed in (13, 666):
        for stream in (False, True):
            client = java.send(
                {**canaries.lmi(seed=seed, do_sample=True), "stream": stream}, **canaries.HEADERS
            )
            java.run()
            told[f"seed {seed}, stream {stream}"] = [client.text, client.error, client.code]
    java.send(canaries.lmi(max_new_tokens=400), **canaries.HEADERS)
    java.step()
    java.fail()  # a batch that Java gives up
    again = java.send(canaries.lmi(), **canaries.HEADERS)
    java.run()
    told["after a reset"] = [again.text, again.error]
    broken = Input()
    broken.properties.update({"batch_size": "1", "batch_000.x": canaries.PROMPT})
    broken.content.add(key="batch_000.data", value=canaries.PROMPT)  # no bytes: a defect of whoever sends it
    told["broken input"] = [handler.handle(broken).code]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as page:
        (directory / "metrics.txt").write_bytes(page.read())
    (directory / "told.json").write_text(json.dumps(told))


def formatter(directory: Path, log_format: str) -> None:
    """A formatter of the model's author that raises with everything it was given."""
    (directory / "model.py").write_text(FORMATTER)
    load(directory, log_format, output_formatter="model.py:raising")
    java = JavaSide(handler.handle)
    client = java.send(canaries.lmi(), **canaries.HEADERS)
    java.run()
    (directory / "formatted.json").write_text(json.dumps([client.text, client.error]))


def refused(directory: Path, log_format: str) -> None:
    """Loads that fail."""
    (directory / "broken.py").write_text(IMPORT)
    for options in REFUSED:
        load(directory, log_format, **options)


def uncaught() -> None:
    """What nobody catches in a thread, with a prompt in its text."""
    thread = threading.Thread(target=lambda prompt=canaries.PROMPT: int(prompt))
    thread.start()
    thread.join()


def crash(java: JavaSide) -> None:
    """Die with stacks while requests run: their frames hold prompts and texts."""
    for body in canaries.GOOD.values():
        java.send(body, **canaries.HEADERS)
    java.step()
    prompt = canaries.PROMPT  # noqa: F841  held by a frame of the dump
    faulthandler.enable()
    faulthandler.dump_traceback()
    os.kill(os.getpid(), signal.SIGSEGV)


def close() -> None:
    """End what the load has opened."""
    part = worker._part
    service = getattr(getattr(part, "__self__", None), "_service", None)
    if isinstance(service, Service):
        service.close()


def main(directory: Path, log_format: str, end: str = "") -> None:
    ids = loop.tokenizer().encode(f" {canaries.OUTPUT}", special=False)
    toy_engine.toy_token = lambda prompt_ids, position, sampling, vocab_size: ids[position % len(ids)]
    made = Runtime()
    registry.choose = lambda options, size: made
    refused(directory, log_format)
    serve(directory, log_format)
    uncaught()
    close()
    formatter(directory, log_format)
    close()
    if end == "crash":
        load(directory, log_format)
        crash(JavaSide(handler.handle))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
