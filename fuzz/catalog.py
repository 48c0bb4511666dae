"""The targets. Nothing here imports the code under test."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT / "fuzz" / "corpus"
OUT = ROOT / "build" / "fuzz"


@dataclass(frozen=True, slots=True)
class Target:
    """One target. `longest` is the most bytes of an input, `slow` the seconds that one input may take."""

    name: str
    says: str
    longest: int = 4096
    slow: int = 20

    @property
    def seeds(self) -> Path:
        """Where its seeds are, one input a file; what was found once stays there."""
        return CORPUS / self.name

    @property
    def out(self) -> Path:
        """Where a run keeps what it makes: crash-*, timeout-* and oom-* are findings, `corpus` what led further."""
        return OUT / self.name

    def module(self) -> ModuleType:
        """Import the target's module."""
        return import_module(f"fuzz.targets.{self.name}")


TARGETS = (
    Target("wire", "calls of DJL, through Input.read and Wire.read into the handler"),
    Target("bodies", "bodies of every request schema: a Request, or a refusal"),
    Target("options", "serving.properties and OPTION_* variables: Options, or OptionsError"),
    Target("config_pbtxt", "config.pbtxt of a model repository"),
    Target("artifacts", "manifest.json and the configuration files that come with a model", longest=16384),
    Target(
        "guides", "regular expressions, JSON schemas and grammars: taken or refused, in time", longest=2048
    ),
    Target("templates", "chat templates, in their sandbox and within their bounds", longest=2048),
    Target("tool_calls", "calls of tools in what a model wrote, in pieces of any length"),
    Target("detokenizer", "streams of token ids against one decode of all", longest=512),
)


def chosen(names: list[str]) -> list[Target]:
    """Return the targets of these names, all where there are none; ValueError names the unknown one."""
    by_name = {target.name: target for target in TARGETS}
    for name in names:
        if name not in by_name:
            raise ValueError(f"{name!r} is no target: {', '.join(by_name)}")
    return [by_name[name] for name in names] or list(TARGETS)
