"""Who died, as far as rank 0 can see."""

from __future__ import annotations

import os
import subprocess
import sys

from djl_trtllm.ranks.mailbox import Kind
from djl_trtllm.ranks.neighbours import Neighbours, end_of
from tests.support.post import Post


def test_a_process_that_is_gone_is_named() -> None:
    post = Post()
    lead = Neighbours(post.mailbox(0), 0)
    host = os.uname().nodename
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    post.deliver(1, 0, Kind.PLACE, (host, done.pid))
    post.deliver(2, 0, Kind.PLACE, ("another-machine", done.pid))
    Neighbours(post.mailbox(3), 3)
    assert lead.gone() == [1]
    assert lead.gone() == [1], "what was told once is kept"


def test_a_process_that_nobody_has_waited_for_is_gone_too() -> None:
    post = Post()
    lead = Neighbours(post.mailbox(0), 0)
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    post.deliver(1, 0, Kind.PLACE, (os.uname().nodename, child.pid))
    assert lead.gone() == []
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert lead.gone() == [1]
    child.communicate()


def test_the_sentence() -> None:
    assert end_of([]) == "mpirun ends this rank."
    assert end_of([1]).startswith("Rank 1 died without a word: ")
    assert end_of([1, 2, 5]).startswith("Ranks 1, 2 and 5 died without a word: ")
