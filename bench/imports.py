"""Import of the handler's module in a fresh process, after djl_python's own modules and without any engine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench import djl, stats
from bench.stats import Bar, Figure

BAR = Bar(120.0)
"""Times the calibration loop, which takes about a millisecond."""
ROOT = Path(__file__).resolve().parents[1]
CODE = """
import sys, time
from bench import calibration
sys.path.insert(0, sys.argv[1])
import djl_python.inputs, djl_python.outputs
loop = calibration.milliseconds()
begun = time.perf_counter()
import djl_trtllm.handler
handler = time.perf_counter()
import djl_trtllm.service
end = time.perf_counter()
print([(handler - begun) * 1000, (end - handler) * 1000, loop])
"""


def run(pairs: int) -> list[Figure]:
    """Measure, and return the judged figure, and what the modules take that the first call imports."""
    package = djl.extract(djl.VERSIONS[0])
    _import(package)  # compiles what was not compiled before
    taken = [_import(package) for _ in range(pairs)]
    return stats.told(
        [
            *stats.calibrated("imports/handler", [(handler, loop) for handler, _, loop in taken], BAR),
            stats.plain("imports/service", [service for _, service, _ in taken], "ms"),
        ]
    )


def _import(package: Path) -> tuple[float, float, float]:
    command = [sys.executable, "-c", CODE, str(package.resolve())]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    handler, service, loop = json.loads(said.splitlines()[-1])
    return handler, service, loop
