"""SageMaker's scripts against the service's own model in botocore: every request has the shape that it takes."""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
import subprocess
import sys
import tarfile
from types import ModuleType
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from djl_trtllm.local import properties
from djl_trtllm.options import sources
from tests.support.server import ROOT

EXAMPLES = ROOT / "examples" / "sagemaker"
DEPLOY = ["my-llm", "--image", "1.dkr/djl:lmi", "--role", "arn:aws:iam::123456789012:role/sagemaker"]
NOBODY = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"sagemaker_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


deploy, invoke, package = load("deploy"), load("invoke"), load("package")


def client(service: str) -> tuple[Any, Stubber]:
    made = boto3.client(service, **NOBODY)
    return made, Stubber(made)


def asked(*more: str) -> list[tuple[str, dict[str, Any]]]:
    return list(deploy.requests(deploy.parse([*DEPLOY, *more])))


RESPONSES = {
    "create_model": {"ModelArn": "arn:aws:sagemaker:us-east-1:123456789012:model/my-llm"},
    "create_endpoint_config": {
        "EndpointConfigArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/my-llm"
    },
    "create_endpoint": {"EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/my-llm"},
}


@pytest.mark.parametrize(
    "more",
    [
        ["--model", "s3://bucket/a/model.tar.gz", "--env", "OPTION_MAX_INPUT_LEN=2048"],
        [
            "--model",
            "s3://bucket/a/model",
            "--ami",
            "al2-ami-sagemaker-inference-gpu-3-1",
            "--instances",
            "2",
        ],
        ["--env", "HF_MODEL_ID=owner/name", "--env", "HF_TOKEN=secret", "--instance-type", "ml.c7i.4xlarge"],
    ],
)
def test_the_requests_are_what_sagemaker_takes(more, capsys) -> None:
    sagemaker, stub = client("sagemaker")
    requests = asked(*more)
    assert [method for method, _ in requests] == list(RESPONSES)
    for method, values in requests:
        stub.add_response(method, RESPONSES[method], values)
    stub.add_response("describe_endpoint", _described("InService"), {"EndpointName": "my-llm"})
    with stub:
        deploy.send(sagemaker, requests, "my-llm")
        stub.assert_no_pending_responses()
    assert capsys.readouterr().out.endswith("ready: my-llm\n")


def _described(status: str) -> dict[str, Any]:
    arn = RESPONSES["create_endpoint"]
    return {
        **arn,
        "EndpointName": "my-llm",
        "EndpointStatus": status,
        "CreationTime": 0,
        "LastModifiedTime": 0,
    }


def test_what_is_in_them() -> None:
    (_, model), (_, config), (_, endpoint) = asked("--model", "s3://bucket/a/model", "--env", "A=b=c")
    source = model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]
    assert source == {"S3Uri": "s3://bucket/a/model/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    assert model["PrimaryContainer"]["Environment"] == {"A": "b=c"}
    (variant,) = config["ProductionVariants"]
    assert variant["ContainerStartupHealthCheckTimeoutInSeconds"] == 3600
    assert "InferenceAmiVersion" not in variant
    assert endpoint == {"EndpointName": "my-llm", "EndpointConfigName": "my-llm"}
    (_, model), *_ = asked("--model", "s3://bucket/a/model.tar.gz")
    assert model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]["CompressionType"] == "Gzip"


def test_what_goes_away_again() -> None:
    sagemaker, stub = client("sagemaker")
    requests = deploy.requests(deploy.parse(["my-llm", "--delete"]))
    for method, values in requests:
        stub.add_response(method, {}, values)
    with stub:
        deploy.send(sagemaker, requests, "my-llm")
        stub.assert_no_pending_responses()


def script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_dry_run_needs_no_credentials_and_shows_none() -> None:
    done = script(
        "deploy", *DEPLOY, "--env", "HF_MODEL_ID=owner/name", "--env", "HF_TOKEN=secret", "--dry-run"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "secret" not in done.stdout
    found, _, rest = done.stdout.partition("\n}\n")
    model = json.loads(f"{found}\n}}")["create_model"]
    assert model["PrimaryContainer"]["Environment"] == {"HF_MODEL_ID": "owner/name", "HF_TOKEN": "***"}
    assert rest.startswith('{\n "create_endpoint_config"')


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["my-llm"], "--image and --role are needed"),
        (DEPLOY, "which model?"),
        ([*DEPLOY, "--env", "novalue"], "'novalue' is not of the form NAME=VALUE"),
    ],
)
def test_wrong_arguments(arguments, said, capsys) -> None:
    with pytest.raises(SystemExit):
        deploy.parse(arguments)
    assert said in capsys.readouterr().err


def test_an_answer_as_a_whole() -> None:
    runtime, stub = client("sagemaker-runtime")
    body = b'{"generated_text": "upon a time"}'
    request = invoke.request("my-llm", "Once", stream=False, max_new_tokens=3)
    stub.add_response("invoke_endpoint", {"Body": StreamingBody(io.BytesIO(body), len(body))}, request)
    with stub:
        assert invoke.whole(runtime, request) == "upon a time"


def parts(*texts: bytes) -> dict[str, Any]:
    return {"Body": [{"PayloadPart": {"Bytes": text}} for text in texts]}


class Runtime:
    """Botocore's stubber knows no streams of events; the request is checked by its validator."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self._answer = answer

    def invoke_endpoint_with_response_stream(self, **asked: Any) -> dict[str, Any]:
        from botocore.validate import validate_parameters

        runtime, _ = client("sagemaker-runtime")
        operation = runtime.meta.service_model.operation_model("InvokeEndpointWithResponseStream")
        validate_parameters(asked, operation.input_shape)
        return self._answer


LINES = '{"token": {"id": 1, "text": "größer"}}\n{"token": {"id": 2, "text": " 日本"}}\n'.encode()


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_stream_cut_anywhere(size) -> None:
    cut = [LINES[at : at + size] for at in range(0, len(LINES), size)]
    request = invoke.request("my-llm", "Once", stream=True)
    assert list(invoke.stream(Runtime(parts(*cut)), request)) == ["größer", " 日本"]


def test_a_stream_that_ends_with_an_error() -> None:
    with pytest.raises(RuntimeError, match="too busy"):
        list(
            invoke.stream(
                Runtime(parts(LINES, b'{"error": "too busy", "code": 503}')),
                {"EndpointName": "e", "Body": b""},
            )
        )
    broken = {"Body": [{"ModelStreamError": {"Message": "gone"}}]}
    with pytest.raises(RuntimeError, match="the stream was cut off: ModelStreamError"):
        list(invoke.stream(Runtime(broken), {"EndpointName": "e", "Body": b""}))


def test_a_model_archive(tmp_path) -> None:
    model = tmp_path / "model"
    (model / "code" / "__pycache__").mkdir(parents=True)
    (model / "code" / "__pycache__" / "x.pyc").touch()
    (model / "code" / "run.sh").touch(0o700)
    (tmp_path / "weights").write_bytes(b"weights")
    (model / "model.safetensors").symlink_to(tmp_path / "weights")
    shutil.copy(EXAMPLES / "model" / "serving.properties", model)
    names = package.pack(model, tmp_path / "model.tar.gz")
    assert names == ["code/run.sh", "model.safetensors", "serving.properties"]
    with tarfile.open(tmp_path / "model.tar.gz") as packed:
        entries = {entry.name: entry for entry in packed.getmembers()}
        assert list(entries) == names
        assert {(e.uid, e.uname, e.isfile()) for e in entries.values()} == {(0, "", True)}
        assert entries["model.safetensors"].size == 7
        assert (entries["code/run.sh"].mode, entries["model.safetensors"].mode) == (0o755, 0o644)


def test_an_archive_without_properties(tmp_path) -> None:
    done = script("package", str(tmp_path), str(tmp_path / "model.tar.gz"))
    assert done.returncode == 1
    assert "has no serving.properties" in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_example_model_has_options_that_there_are() -> None:
    text = (EXAMPLES / "model" / "serving.properties").read_text()
    given: dict[str, object] = {k: v for k, v in properties.parse(text).items() if k.startswith("option.")}
    options = sources.read({**given, "option.unknown_options": "reject"}, {})
    assert options.max_rolling_batch_size == 64
