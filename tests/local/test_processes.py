import signal
import subprocess
import sys
import time

import pytest

from djl_trtllm.local import processes

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


class Tree:
    """A shell with a child, apart from what else runs below this process."""

    def __init__(self, shell: subprocess.Popen[bytes], others: list[processes.Process]) -> None:
        self.shell = shell
        self.pid = shell.pid
        self._others = others

    def found(self) -> list[processes.Process]:
        return [process for process in processes.descendants() if process not in self._others]


@pytest.fixture
def tree():
    others = processes.descendants()
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo up; wait"], stdout=subprocess.PIPE) as shell:
        shell.stdout.readline()
        made = Tree(shell, others)
        yield made
        processes.end(made.found(), patience=0)


def test_descendants_parents_first(tree):
    found = tree.found()
    assert [p.pid for p in found].index(tree.pid) == 0
    assert len([p for p in found if p.pid != tree.pid]) == 1
    assert processes.descendants(tree.pid) == found[1:]


def test_end_asks_first(tree):
    found = tree.found()
    assert processes.end(found, patience=0.1) == found
    assert tree.shell.wait() == -signal.SIGTERM
    assert not any(map(processes.alive, found))


def test_end_waits_for_those_who_go_by_themselves():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.2)"]) as child:
        mine = [p for p in processes.descendants() if p.pid == child.pid]
        assert processes.end(mine, patience=10) == []


def test_end_kills_who_does_not_listen():
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        begin = time.monotonic()
        processes.end([p for p in processes.descendants() if p.pid == child.pid], patience=0.2)
        assert child.wait() == -signal.SIGKILL
        assert time.monotonic() - begin < 5


def test_another_process_with_the_same_id_is_left_alone(tree):
    (shell, *_) = tree.found()
    mistaken = processes.Process(shell.pid, shell.started - 1)
    assert not processes.alive(mistaken)
    processes.end([mistaken], patience=0)
    assert processes.alive(shell)


def test_workers_are_told_by_what_they_run(tmp_path):
    engine = tmp_path / "djl_python_engine.py"
    engine.write_text("import time; print('up', flush=True); time.sleep(60)")
    with subprocess.Popen([sys.executable, str(engine)], stdout=subprocess.PIPE) as worker:
        worker.stdout.readline()
        (found,) = (process for process in processes.workers() if process.pid == worker.pid)
        processes.ask_to_end(found)
        assert worker.wait(20) == -signal.SIGTERM
        processes.ask_to_end(found)
