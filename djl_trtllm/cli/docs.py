"""docs/cli.md, made from the parsers: `python -m djl_trtllm.cli.docs > docs/cli.md`."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterator

from djl_trtllm.cli import main

_WIDTH = 118
_PAGE = """# The command line

`pip install 'djl-trtllm[cli]'` brings tables and colours (rich) and shell completion (shtab); without them it
is all plain text. On a terminal results are coloured and long work has a bar; elsewhere there are plain lines, results
on stdout and all else on stderr. `NO_COLOR` and `TERM=dumb` are honoured. With `--json` every command prints exactly
one JSON document on stdout; where a command fails, it is `{{"error": [sentence, ...]}}`.

Exit codes: 0 well; 1 something is wrong, and named; 2 wrong usage; 130 interrupted.

## Compile once, ahead of time

`my-model` is a model directory with a `serving.properties`. Options come from `--option`, else from that file,
else from `OPTION_*` in the environment, as DJL-Serving takes them.

```sh
djl-trtllm compile my-model
djl-trtllm inspect my-model
```

The second line says that a start would be a hit. A start with another option would compile, and this says what for:

```sh
djl-trtllm inspect my-model --option dtype=fp16
```

A directory that can be copied to another machine of the same kind, put into an image or onto S3, and served as it is:

```sh
djl-trtllm compile my-model --output compiled
djl-trtllm verify compiled
djl-trtllm inspect compiled
```

`djl-trtllm serve compiled`, or DJL with `option.model_id` set to that directory or with it as the model directory, then
compiles nothing. A model for several GPUs is compiled by as many ranks, which the command starts under mpirun.

## The cache

What has been compiled, what lies there without use, and how much would go to make the cache at most so large:

```sh
djl-trtllm inspect
djl-trtllm gc --dry-run --max-size 50GiB
```

`gc` never removes what a running server uses. Without `--cache-dir` the cache is `OPTION_CACHE_DIR`, else `djl_trtllm`
below `DJL_CACHE_DIR`, `XDG_CACHE_HOME` or `~/.cache`.

## In scripts

```sh
djl-trtllm options --json --runtime openvino --build | python3 -c '
import json, sys
print(*(option["name"] for option in json.load(sys.stdin)))'
```

```sh
djl-trtllm completion bash > completions
bash -n completions
```

{commands}
"""


def as_markdown() -> str:
    """Return docs/cli.md."""
    top = main.parser()
    commands = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    helps = {action.dest: action.help or "" for action in commands._choices_actions}
    parts = [_command(name, parser, helps[name]) for name, parser in commands.choices.items()]
    return _PAGE.format(commands="\n\n".join(parts))


def _command(name: str, parser: argparse.ArgumentParser, summary: str) -> str:
    lines = [f"## djl-trtllm {name}", "", *_paragraphs(parser.description or summary)]
    shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    lines += ["| argument | what it does |", "|---|---|"]
    lines += [f"| {_call(action)} | {_cell(action)} |" for action in shown if action.dest != "help"]
    if parser.epilog:
        lines += ["", *_paragraphs(parser.epilog)]
    return "\n".join(lines).rstrip()


def _paragraphs(text: str) -> Iterator[str]:
    """Yield the lines of a description's paragraphs; one with indented lines is a block of code."""
    for part in re.split(r"\n\s*\n", text.strip("\n")):
        if re.search(r"^ ", part, re.MULTILINE):
            title = [line.capitalize() for line in part.splitlines() if not line.startswith(" ")]
            code = [line.strip() for line in part.splitlines() if line.startswith(" ")]
            yield from (*(line for line in (*title, "") if title), "```", *code, "```", "")
        else:
            yield from (*textwrap.wrap(part, _WIDTH, break_on_hyphens=False), "")


def _call(action: argparse.Action) -> str:
    """Return how an argument is written."""
    values = (
        "|".join(map(str, action.choices)) if action.choices else str(action.metavar or action.dest.upper())
    )
    if not action.option_strings:
        return f"`{values.replace('|', chr(92) + '|')}{'...' if action.nargs == '*' else ''}`"
    takes = "" if action.nargs == 0 else f" [{values}]" if action.nargs == "?" else f" {values}"
    return f"`{action.option_strings[-1]}{takes}`".replace("|", "\\|")


def _cell(action: argparse.Action) -> str:
    text = " ".join((action.help or "").split())
    return text.replace("|", "\\|").replace("<", "\\<")


if __name__ == "__main__":
    print(as_markdown(), end="")
