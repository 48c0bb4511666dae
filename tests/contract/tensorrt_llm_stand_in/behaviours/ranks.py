"""The world a process belongs to: alone, leading or following, as the environment of mpirun tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.wire import Wire
from tests.contract.tensorrt_llm_stand_in.behaviours.world import Alone, Follower, Leader, Peer


def join(library: Any, trip: Callable[[str], None]) -> Alone | Leader | Follower:
    """Return this process's part in the world of `library`, in leader mode, after every rank has come."""
    if library.world == 1:
        return Alone()
    wire = Wire(library.world)
    return Leader(wire) if wire.rank == 0 else Follower(wire, lambda: trip("step"))


def meet(library: Any) -> Alone | Peer:
    """Return this process's part in a world of peers, after every rank has come."""
    return Alone() if library.world == 1 else Peer(Wire(library.world))
