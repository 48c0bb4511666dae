"""Where atheris is not installed (Python 3.14 and later): seeds changed at random, without coverage to follow."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fuzz.catalog import Target

_EXAMPLES = 500


def run(target: Target, seconds: int) -> int:
    """Try examples until the time is over; 1 for a finding, whose smallest input is kept."""
    module = target.module()
    check = module.prepared()
    inputs = mutated([file.read_bytes() for file in sorted(target.seeds.iterdir())], module.WORDS)
    begun, runs, failing = time.monotonic(), 0, b""

    @settings(
        max_examples=_EXAMPLES,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs)
    def round_of_examples(data: bytes) -> None:
        nonlocal runs, failing
        runs += 1
        try:
            check(data[: target.longest])
        except BaseException:
            failing = data
            raise

    try:
        while time.monotonic() - begun < seconds:
            round_of_examples()
    except Exception:
        (target.out / f"crash-{hashlib.sha256(failing).hexdigest()[:40]}").write_bytes(failing)
        raise
    finally:
        print(f"stat::number_of_executed_units: {runs}", flush=True)
    return 0


def mutated(seeds: Sequence[bytes], words: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Any bytes, and seeds some of whose bytes are replaced by others or by words."""
    piece = st.one_of(st.sampled_from(list(words) or [b"x"]), st.binary(max_size=8))
    cut = st.tuples(st.integers(0, 4096), st.integers(0, 16), piece)

    def spliced(seed: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
        for at, size, what in cuts:
            at %= len(seed) + 1
            seed = seed[:at] + what + seed[at + size :]
        return seed

    changed = st.builds(spliced, st.sampled_from(list(seeds) or [b""]), st.lists(cut, max_size=6))
    return st.one_of(changed, changed, changed, st.binary(max_size=512))
