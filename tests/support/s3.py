"""A server on this machine that speaks S3's API (moto's), and the environment in which clients find it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing-key",
    "AWS_SECRET_ACCESS_KEY": "testing-secret",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


@dataclass
class S3:
    """The server, and a client that prepares what is there."""

    url: str
    client: Any

    @property
    def environ(self) -> dict[str, str]:
        return {**ENVIRONMENT, "AWS_ENDPOINT_URL_S3": self.url}

    def bucket(self, name: str, objects: Mapping[str, bytes] | None = None) -> str:
        self.client.create_bucket(Bucket=name)
        for key, content in (objects or {}).items():
            self.client.put_object(Bucket=name, Key=key, Body=content)
        return f"s3://{name}"

    def keys(self, name: str) -> list[str]:
        return [item["Key"] for item in self.client.list_objects_v2(Bucket=name).get("Contents", ())]

    def content(self, name: str, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=name, Key=key)["Body"].read())


def one_at_a_time(app: Any) -> Any:
    """moto's store is for one thread: two that write one key at once get 500, which S3 would not answer."""
    turn = threading.Lock()

    def answer(environ: Any, start_response: Any) -> Any:
        with turn:
            return app(environ, start_response)

    return answer


@contextmanager
def server() -> Iterator[S3]:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    assert running._server is not None
    running._server.app = one_at_a_time(running._server.app)
    host, port = running.get_host_and_port()
    try:
        yield S3(f"http://{host}:{port}", client(f"http://{host}:{port}"))
    finally:
        running.stop()


def client(url: str) -> Any:
    import boto3

    return boto3.session.Session().client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="testing-key",
        aws_secret_access_key="testing-secret",
    )


def point(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> None:
    """Let this process's SDK see `environ` and none of the machine's own settings."""
    import os

    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
