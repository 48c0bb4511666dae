"""CPU time is told apart by what a process is."""

import os
import subprocess
import sys

from bench import cpu

BURN = """import time
while time.process_time() < 0.1:
    pass
print("done", flush=True)
input()
"""


def test_a_worker_below_the_server_has_its_own_share(tmp_path) -> None:
    script = tmp_path / "djl_python_engine.py"
    script.write_text(BURN)
    with subprocess.Popen([sys.executable, str(script)], stdin=-1, stdout=-1, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdin is not None
        assert worker.stdout.readline() == "done\n"
        found = cpu.seconds(os.getpid())
        worker.stdin.write("\n")
        worker.stdin.close()
    assert set(found) == {"front", "worker", "engine"}
    assert found["worker"] >= 0.09
    assert found["front"] > 0
    assert found["engine"] == 0
