"""Ask a SageMaker endpoint, whole or as a stream.

python examples/sagemaker/invoke.py my-llm "Once upon a time" --max-new-tokens 60 --stream
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any


def request(name: str, prompt: str, *, stream: bool, **parameters: object) -> dict[str, Any]:
    """What InvokeEndpoint and InvokeEndpointWithResponseStream get."""
    body = {"inputs": prompt, "parameters": parameters, "stream": stream}
    return {"EndpointName": name, "ContentType": "application/json", "Body": json.dumps(body)}


def whole(client: Any, asked: dict[str, Any]) -> str:
    """Return the text of an answer."""
    answer = json.loads(client.invoke_endpoint(**asked)["Body"].read())
    return str(answer["generated_text"])


def stream(client: Any, asked: dict[str, Any]) -> Iterator[str]:
    """Yield the text of one token after the other. Raises RuntimeError with the server's own words."""
    for line in lines(client.invoke_endpoint_with_response_stream(**asked)["Body"]):
        news = json.loads(line)
        if "error" in news:
            raise RuntimeError(news["error"])
        yield news["token"]["text"]


def lines(events: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yield whole lines: SageMaker cuts a stream anywhere, also inside a character."""
    rest = b""
    for event in events:
        if "PayloadPart" not in event:
            raise RuntimeError(f"the stream was cut off: {next(iter(event), 'no reason given')}")
        *done, rest = (rest + event["PayloadPart"]["Bytes"]).split(b"\n")
        yield from (line for line in done if line)
    if rest:
        yield rest


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="of the endpoint")
    parser.add_argument("prompt")
    parser.add_argument("--max-new-tokens", type=int, default=60)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--region")
    args = parser.parse_args()
    import boto3

    client = boto3.client("sagemaker-runtime", region_name=args.region)
    asked = request(args.name, args.prompt, stream=args.stream, max_new_tokens=args.max_new_tokens)
    texts = stream(client, asked) if args.stream else [whole(client, asked)]
    try:
        for text in texts:
            print(text, end="", flush=True)
    except (RuntimeError, client.exceptions.ModelError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
