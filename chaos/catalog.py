"""Every scenario, one a line. Two may be of the same promise."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass

from bench import choice
from chaos.figure import Figure
from chaos.scale import Scale


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fault: the promise it puts to the test, its module in chaos.scenarios, and what is done in a few words.

    `limit` is how many seconds it may take before it counts as hung.
    """

    promise: str
    module: str
    fault: str
    limit: float = 900

    def run(self, scale: Scale) -> list[Figure]:
        """Put the fault in, in this process. Raises whatever the scenario does."""
        figures: list[Figure] = importlib.import_module(f"chaos.scenarios.{self.module}").run(scale)
        return figures


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("R1", "r01_poison", "1 % of the requests make the engine fail them"),
    Scenario("R2", "r02_engine_death", "the engine dies, or raises for a whole step"),
    Scenario("R3", "r03_ranks", "a rank crashes or hangs at init, at compile, in a step", limit=1800),
    Scenario("R4", "r04_out_of_memory", "memory runs out in a build or a load"),
    Scenario("R5", "r05_fuzzed_bodies", "bodies that no client should send"),
    Scenario("R6", "r06_huge_requests", "10 MB prompts, 1e9 tokens, 10k stop strings"),
    Scenario("R7", "r07_detokenizing", "random ids and odd bytes, token by token"),
    Scenario("R8", "r08_stop_strings", "stop strings at every offset"),
    Scenario("R9", "r09_slow_reader", "one of 64 streams is read at a byte a second"),
    Scenario("R10", "r10_cancel_storm", "requests are cancelled at random points"),
    Scenario("R10", "r10_clients_leave", "clients of the local front leave at random points"),
    Scenario("R11", "r11_queue", "10,000 requests wait in the local front"),
    Scenario("R12", "r12_drain", "SIGTERM under load"),
    Scenario("R13", "r13_killed_builds", "builders are killed at random moments", limit=1800),
    Scenario("R14", "r14_damaged_artifacts", "bits flip and ends of files are lost"),
    Scenario("R15", "r15_same_key", "16 processes compile the same model at once"),
    Scenario("R16", "r16_disk_faults", "each write of a build fails"),
    Scenario("R17", "r17_option_matrix", "each option is changed alone"),
    Scenario("R18", "r18_clocks_and_lines", "clocks jump, disks are slow, connections and names are lost"),
    Scenario("R19", "r19_soak", "a million tiny requests", limit=1800),
    Scenario("R20", "r20_determinism", "other arrival orders and other company"),
    Scenario("R21", "r21_hang", "the engine hangs, or a call into it"),
    Scenario("R22", "r22_restart_storm", "workers and engines that break again and again"),
)


def chosen(wanted: Sequence[str]) -> list[Scenario]:
    """Return the scenarios of these promises or modules, all for none. Raises ValueError, which names every mistake."""
    promises = dict.fromkeys(one.promise for one in SCENARIOS)
    return choice.chosen(SCENARIOS, wanted, lambda one: (one.promise, one.module), promises)


def named(module: str) -> Scenario:
    """Return the scenario of a module."""
    return next(one for one in SCENARIOS if one.module == module)
