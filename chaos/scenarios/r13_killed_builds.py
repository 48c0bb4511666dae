"""R13: builders are killed at random moments of compiling and of publishing; no start takes what they left for whole.

The builds are real ones, of OpenVINO. After each kill everything that is published is verified, and a start finds it or
builds it again.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from chaos.figure import Figure, at_least, exactly
from chaos.scale import Scale
from djl_trtllm.errors import ArtifactError
from tests.support.killed_builds import Builders, check_a_clean_start, kill_one

PUBLISHING, COMPILING = (30, 2), (20, 1)
"""Kills in full and in quick: while a model is published, and while it is compiled."""
CLEAN_STARTS_EVERY = 10
"""A start after a killed compilation compiles, which takes seconds."""


def run(scale: Scale) -> list[Figure]:
    """Kill so many builders; count what was loaded half or stale, and the starts that were not clean."""
    fault = "SIGKILL at random moments of compiling and publishing"
    seed = random.randrange(1 << 32)
    with tempfile.TemporaryDirectory(prefix="chaos-r13-") as root:
        builders = Builders(Path(root, "cache"))
        try:
            builders.finish("copy")
            ways = [True] * scale.of(*PUBLISHING) + [False] * scale.of(*COMPILING)
            wrong = _killed(builders, random.Random(seed), ways)
        finally:
            builders.close()
    detail = f"seed {seed}; {'; '.join(wrong) or 'each was whole, or built again'}"
    return [
        exactly("R13.half_or_stale_loaded", fault, len(wrong), 0, "", detail),
        at_least("R13.kills", fault, len(ways), scale.of(50, 3), "", "real builds of OpenVINO"),
    ]


def _killed(builders: Builders, chance: random.Random, publishing: list[bool]) -> list[str]:
    found = [
        _one(builders, chance, publishes, publishes or number % CLEAN_STARTS_EVERY == 0)
        for number, publishes in enumerate(publishing)
    ]
    return [f"kill {number}: {problem}" for number, problem in enumerate(found) if problem]


def _one(builders: Builders, chance: random.Random, publishes: bool, starts: bool) -> str:
    """Kill one; return what is wrong with what it left."""
    try:
        kill_one(builders, chance, publishing=publishes)
        if starts:
            check_a_clean_start(builders, "copy" if publishes else "build")
    except (AssertionError, ArtifactError) as problem:
        return str(problem) or "debris, or a wrong start"
    return ""
