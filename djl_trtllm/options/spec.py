"""One row of the options table: what is known of an option besides its name, type and default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from djl_trtllm.options.kinds import Kind


@dataclass(frozen=True, slots=True)
class Spec:
    """What the table says of one option.

    `build` names the runtimes whose artifact depends on it. `only_with` is another option and the values
    of it under which this one has an effect; `used_with` the same, where it has one under more of them that
    changes no artifact. `env` is a variable that is read besides OPTION_<NAME>.
    `default` describes a default that is not a fixed value.
    """

    kind: Kind
    help: str
    build: tuple[str, ...] = ()
    env: str | None = None
    aliases: tuple[str, ...] = ()
    only_with: tuple[str, tuple[str, ...]] | None = None
    used_with: tuple[str, tuple[str, ...]] | None = None
    default: str | None = None


def opt(default: object, kind: Kind, text: str, /, **more: Any) -> Any:
    """Return the dataclass field for one row; `more` are the optional fields of `Spec`."""
    return field(default=default, metadata={"spec": Spec(kind, text, **more)})
