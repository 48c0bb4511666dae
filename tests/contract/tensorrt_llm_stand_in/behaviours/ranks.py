"""The world a process belongs to: alone, leading or following, as the environment of mpirun tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.checks import failed
from tests.contract.tensorrt_llm_stand_in.behaviours.wire import Wire
from tests.contract.tensorrt_llm_stand_in.behaviours.world import Alone, Follower, Leader, Peer


def join(library: Any, trip: Callable[[str], None], same: object = None) -> Alone | Leader | Follower:
    """Return this process's part in the world of `library`, in leader mode, after every rank has come.

    Raises RuntimeError on rank 0 where another rank brings something else than its own `same`.
    """
    if library.world == 1:
        return Alone()
    wire = Wire(library.world)
    if wire.rank > 0:
        wire.send(0, same)
    elif any(wire.receive(rank) != same for rank in wire.others()):
        raise failed("the ranks were configured differently")
    return Leader(wire) if wire.rank == 0 else Follower(wire, lambda: trip("step"))


def meet(library: Any) -> Alone | Peer:
    """Return this process's part in a world of peers, after every rank has come."""
    return Alone() if library.world == 1 else Peer(Wire(library.world))
