"""Stream a completion and print its text as it comes; nothing but Python's standard library.

python examples/client.py "Once upon a time" --max-new-tokens 60 --url http://127.0.0.1:8080
"""

import argparse
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator


def stream(url: str, prompt: str, **parameters: object) -> Iterator[str]:
    """Yield the text of one token after the other. Raises RuntimeError with the server's own words."""
    body = json.dumps({"inputs": prompt, "parameters": parameters, "stream": True}).encode()
    request = urllib.request.Request(f"{url}/invocations", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as response:
            for line in response:
                news = json.loads(line)
                if (
                    "error" in news
                ):  # the server answers 200 once text has been sent, and always on DJL before 0.29
                    raise RuntimeError(news["error"])
                yield news["token"]["text"]
    except urllib.error.HTTPError as refused:
        raise RuntimeError(
            f"{refused.code}: {json.loads(refused.read()).get('error', refused.reason)}"
        ) from None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prompt")
    parser.add_argument("--max-new-tokens", type=int, default=60)
    parser.add_argument("--temperature", type=float, help="sample with this temperature; greedy without it")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    args = parser.parse_args()
    parameters: dict[str, object] = {"max_new_tokens": args.max_new_tokens}
    if args.temperature is not None:
        parameters |= {"do_sample": True, "temperature": args.temperature}
    try:
        for text in stream(args.url, args.prompt, **parameters):
            print(text, end="", flush=True)
    except (RuntimeError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
