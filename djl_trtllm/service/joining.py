"""How every rank begins, be it to load a model or to compile one: options, runtime, team; all of them, or none."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import cast

from djl_trtllm import ranks
from djl_trtllm.core import Team
from djl_trtllm.engines import registry
from djl_trtllm.engines.base import Runtime
from djl_trtllm.errors import LoadError, OptionsError, RankError
from djl_trtllm.options import sources
from djl_trtllm.options.table import Options
from djl_trtllm.ranks.mpi_team import MpiTeam
from djl_trtllm.ranks.solo import Solo

JOIN_SECONDS = 60.0
"""How long ranks wait for each other where the options, which say so, cannot be read."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What is known once the ranks have found each other."""

    options: Options
    runtime: Runtime
    team: Solo | MpiTeam


def join(
    properties: Mapping[str, object],
    environ: Mapping[str, str],
    highest: tuple[str, Mapping[str, str]] | None = None,
) -> Joined:
    """Read the options, choose the runtime, join the other ranks. Raises `LoadError` on every rank, or on none.

    `highest` are a source's name and its values, which win over all others.
    """
    _, size = ranks.place(environ)
    try:
        options = sources.read(properties, environ, highest=highest)
        runtime = registry.choose(options, size)
    except LoadError as refusal:
        if size > 1:
            _tell(refusal, environ)
        raise
    return Joined(options, runtime, ranks.join(environ, options.rank_timeout))


def compare(options: Options, team: Team) -> None:
    """Refuse ranks that were told different things, as by an environment that only one of them has."""
    mine = {f.name: repr(getattr(options, f.name)) for f in fields(Options) if f.compare}
    first = cast("dict[str, str]", team.share(mine))
    different = sorted(name for name in mine if mine[name] != first[name])
    if different:
        raise OptionsError(
            f"The options {', '.join(different)} are not those of rank 0: give every rank the same environment."
        )


def _tell(refusal: LoadError, environ: Mapping[str, str]) -> None:
    """Tell the other ranks why this one does not take part, so that none waits for it."""
    with suppress(RankError):
        team = ranks.join(environ, JOIN_SECONDS)
        if isinstance(team, MpiTeam):
            team.fail(refusal)
