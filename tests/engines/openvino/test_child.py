"""The child's main function, in this process: what it answers to a bad start, and when it ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from djl_trtllm.engines.openvino import child
from djl_trtllm.engines.openvino import messages as m
from djl_trtllm.engines.openvino.link import Link
from tests.support.engines import compiled


def start(model: Path) -> m.Start:
    return m.Start(str(model), 8, 64, 4, False, {}, [2])


def converse(*messages: m.ToChild) -> tuple[int, list[m.ToParent]]:
    """Run `serve` on these messages and then end of file: its exit code and what it said."""
    ours, theirs = socket.socketpair()
    parent, link = Link(ours), Link(theirs)
    for message in messages:
        parent.send(m.encode(message))
    ours.shutdown(socket.SHUT_WR)
    said: list[m.ToParent] = []

    def listen() -> None:
        while (received := parent.receive(None)) is not None:
            said.extend(m.decode_to_parent(data) for data in received)

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        code = child.serve(link)
    finally:
        link.close()
        listener.join()
        parent.close()
    return code, said


def test_no_start_at_all_is_an_end() -> None:
    assert converse() == (0, [])


def test_the_first_message_is_start() -> None:
    with pytest.raises(TypeError, match="Start"):
        converse(m.Close())


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    code, said = converse(start(tmp_path))
    assert code == 1
    assert isinstance(said[0], m.Failed)
    assert said[0].kind == m.OTHER
    assert said[0].text


@pytest.mark.compile
def test_ready_then_close() -> None:
    code, said = converse(start(compiled("llama").path), m.Close())
    assert code == 0
    assert isinstance(said[0], m.Ready)
    assert said[1:] == []


def test_a_parent_that_is_gone_already() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        arguments = [sys.executable, "-m", "djl_trtllm.engines.openvino.child", str(theirs.fileno())]
        not_the_parent = str(os.getpid() + 1)
        done = subprocess.run(
            [*arguments, not_the_parent], pass_fds=[theirs.fileno()], timeout=60, check=False
        )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ImportError("libopenvino.so: failed to map segment from shared object"), m.MEMORY),
        (ImportError("No module named 'openvino_genai'"), m.LIBRARIES),
        (RuntimeError("std::bad_alloc"), m.MEMORY),
        (RuntimeError("cannot read the model"), m.OTHER),
    ],
)
def test_what_kept_it_from_beginning_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(child, "construct", fails)
    code, said = converse(start(tmp_path))
    assert code == 1
    assert isinstance(said[0], m.Failed)
    assert said[0].kind == kind
