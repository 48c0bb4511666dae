"""`djl-trtllm completion`: what a shell needs to complete commands, flags and the names of options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from djl_trtllm.cli import console
from djl_trtllm.cli.parser import Commands
from djl_trtllm.errors import LoadError

if TYPE_CHECKING:
    from djl_trtllm.cli.console import Console

DESCRIPTION = """\
Print a script that makes a shell complete commands, flags, directories and the names of options.

  bash   djl-trtllm completion bash > ~/.local/share/bash-completion/completions/djl-trtllm
  zsh    djl-trtllm completion zsh > "${fpath[1]}/_djl-trtllm"
  tcsh   djl-trtllm completion tcsh > ~/.djl-trtllm.tcsh; source ~/.djl-trtllm.tcsh
"""
SHELLS = ("bash", "zsh", "tcsh")
_DIRECTORIES = ("DIR", "DIRECTORY", "MODEL", "WHAT")
_NAMES = "_djl_trtllm_option_names"
_BASH = """
_djl_trtllm() {
  _shtab_djl_trtllm "$@"
  # What follows the name of an option is its value, with no space between.
  if [[ $3 == --option ]]; then compopt -o nospace 2>/dev/null || true; fi
}
complete -o filenames -F _djl_trtllm djl-trtllm
"""


def add_parser(subparsers: Commands) -> argparse.ArgumentParser:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "completion",
        help="print a script for the shell's completion",
        description=DESCRIPTION,
    )
    parser.add_argument("shell", choices=SHELLS, help="which shell")
    console.add_json(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    shown: Console = args.console
    text = script(args.shell)
    shown.document({"shell": args.shell, "script": text})
    shown.raw(text.rstrip("\n"))
    return 0


def script(shell: str) -> str:
    """Return the script for a shell. Raises `LoadError` where shtab is not installed."""
    try:
        import shtab
    except ImportError:
        raise LoadError("Completion needs the package shtab: install djl-trtllm[cli].") from None
    from djl_trtllm.cli import main
    from djl_trtllm.options.table import SPECS

    names = " ".join(f"{name}=" for name in SPECS)
    parser = main.parser()
    for action in _actions(parser):
        if "--option" in action.option_strings:
            _complete(action, {"bash": _NAMES, "zsh": f"({names})", "tcsh": f"({names})"})
        elif action.metavar in _DIRECTORIES:
            _complete(action, shtab.DIRECTORY)
        elif action.metavar == "FILE":
            _complete(action, shtab.FILE)
    preamble = {"bash": f'{_NAMES}() {{ compgen -W "{names}" -- "$1"; }}'}.get(shell, "")
    text: str = shtab.complete(parser, shell=shell, preamble=preamble)  # nosec B604 # a shell by name
    return text + _BASH if shell == "bash" else text


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of every command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
        else:
            yield action


def _complete(action: Any, how: Mapping[str, str]) -> None:
    action.complete = how
