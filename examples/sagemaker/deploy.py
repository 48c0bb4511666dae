"""Deploy a model to a SageMaker endpoint, or remove it; with --dry-run print what would be asked of SageMaker.

python examples/sagemaker/deploy.py my-llm --image IMAGE --role ROLE_ARN --instance-type ml.g5.2xlarge \\
    --model s3://bucket/prefix/model.tar.gz --env OPTION_MAX_INPUT_LEN=2048
python examples/sagemaker/deploy.py my-llm --image IMAGE --role ROLE_ARN --instance-type ml.g5.12xlarge \\
    --env HF_MODEL_ID=owner/name --env TENSOR_PARALLEL_DEGREE=max
python examples/sagemaker/deploy.py my-llm --delete
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

Request = tuple[str, dict[str, Any]]
"""A method of boto3's SageMaker client, and its arguments."""

SECRET = ("TOKEN", "SECRET", "PASSWORD", "KEY")


def model_request(args: argparse.Namespace) -> Request:
    """What CreateModel gets: the image, where the model is, the environment of the container."""
    container: dict[str, Any] = {"Image": args.image, "Environment": dict(args.env)}
    if args.model:
        # A prefix is taken as it is, which saves packing and unpacking; an archive is unpacked into /opt/ml/model.
        archive = args.model.endswith(".tar.gz")
        source = {
            "S3Uri": args.model if archive else args.model.rstrip("/") + "/",
            "S3DataType": "S3Object" if archive else "S3Prefix",
            "CompressionType": "Gzip" if archive else "None",
        }
        container["ModelDataSource"] = {"S3DataSource": source}
    values = {"ModelName": args.name, "ExecutionRoleArn": args.role, "PrimaryContainer": container}
    return "create_model", values


def config_request(args: argparse.Namespace) -> Request:
    """What CreateEndpointConfig gets: the machine, and how long a start may take."""
    variant: dict[str, Any] = {
        "VariantName": "all",
        "ModelName": args.name,
        "InstanceType": args.instance_type,
        "InitialInstanceCount": args.instances,
        "ModelDataDownloadTimeoutInSeconds": args.download_timeout,
        # /ping is asked until then. A first load compiles; SageMaker takes 60 to 3600.
        "ContainerStartupHealthCheckTimeoutInSeconds": args.startup_timeout,
        # Requests differ in length, so the least busy machine is a better choice than a random one.
        "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
    }
    if args.ami:
        variant["InferenceAmiVersion"] = args.ami
    return "create_endpoint_config", {"EndpointConfigName": args.name, "ProductionVariants": [variant]}


def requests(args: argparse.Namespace) -> Sequence[Request]:
    """What is asked of SageMaker, in this order."""
    if args.delete:
        return [
            ("delete_endpoint", {"EndpointName": args.name}),
            ("delete_endpoint_config", {"EndpointConfigName": args.name}),
            ("delete_model", {"ModelName": args.name}),
        ]
    endpoint = {"EndpointName": args.name, "EndpointConfigName": args.name}
    return [model_request(args), config_request(args), ("create_endpoint", endpoint)]


def shown(request: Request) -> str:
    """A request as JSON, without the values of variables that may be secret."""
    method, values = request
    whole = json.loads(json.dumps(values))
    environment = whole.get("PrimaryContainer", {}).get("Environment", {})
    for name in environment:
        if any(word in name.upper() for word in SECRET):
            environment[name] = "***"
    return json.dumps({method: whole}, indent=1)


def send(client: Any, asked: Sequence[Request], name: str) -> None:
    """Send the requests; where an endpoint was asked for, wait until it serves. Raises what boto3 raises."""
    for method, values in asked:
        print(method, name)
        getattr(client, method)(**values)
    if asked[-1][0] == "create_endpoint":
        print("waiting until", name, "serves")
        client.get_waiter("endpoint_in_service").wait(EndpointName=name)
        print("ready:", name)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="of the endpoint, its configuration and its model")
    parser.add_argument("--image", help="the container's image in your registry")
    parser.add_argument("--role", help="the role that SageMaker takes, as an ARN")
    parser.add_argument(
        "--model", help="s3:// address of a model.tar.gz or of a prefix with the model's files"
    )
    parser.add_argument(
        "--env", type=_pair, action="append", default=[], metavar="NAME=VALUE", help="repeatable"
    )
    parser.add_argument("--instance-type", default="ml.g5.2xlarge")
    parser.add_argument("--instances", type=int, default=1)
    parser.add_argument("--startup-timeout", type=int, default=3600, help="seconds until it must be healthy")
    parser.add_argument("--download-timeout", type=int, default=1800, help="seconds for fetching the model")
    parser.add_argument("--ami", help="the machine image (InferenceAmiVersion), if not SageMaker's default")
    parser.add_argument("--region")
    parser.add_argument("--delete", action="store_true", help="remove endpoint, configuration and model")
    parser.add_argument("--dry-run", action="store_true", help="print the requests and send none")
    args = parser.parse_args(arguments)
    if not args.delete and not (args.image and args.role):
        parser.error("--image and --role are needed")
    if not args.delete and not (args.model or any(name == "HF_MODEL_ID" for name, _ in args.env)):
        parser.error("which model? give --model, or --env HF_MODEL_ID=owner/name")
    return args


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def main() -> int:
    args = parse()
    asked = requests(args)
    if args.dry_run:
        print("\n".join(map(shown, asked)))
        return 0
    import boto3

    send(boto3.client("sagemaker", region_name=args.region), asked, args.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
