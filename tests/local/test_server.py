import os
import shutil
import signal
import socket
import subprocess
import sys
import types
from pathlib import Path

import pytest

from djl_trtllm.errors import LoadError
from djl_trtllm.local import cudart, drain, http, processes, server
from djl_trtllm.local.deployment import deployment
from djl_trtllm.local.server import Settings, prepare_environment


def model(tmp_path, **options):
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    shutil.rmtree(scratch / "model", ignore_errors=True)
    return deployment("gpt2", scratch, options, {}, 0)


def test_python_is_started_in_a_session_of_its_own(tmp_path):
    environ = {"PATH": "/bin"}
    assert prepare_environment(environ, model(tmp_path), tmp_path, tmp_path) is None
    assert environ["PATH"] == f"{Path(sys.executable).parent}:/bin"
    session = "import os, sys; print(os.getsid(0) == os.getpid(), sys.executable, sys.argv[1])"
    command = [environ["PYTHON_EXECUTABLE"], "-c", session, "a b"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"True {sys.executable} a b\n"


def test_a_python_of_the_users_own(tmp_path, monkeypatch):
    environ = {"PATH": "/bin", "PYTHON_EXECUTABLE": "/mine/py thon"}
    prepare_environment(environ, model(tmp_path), tmp_path, tmp_path)
    assert "'/mine/py thon' \"$@\"" in Path(environ["PYTHON_EXECUTABLE"]).read_text()
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    environ = {"PATH": "/bin", "PYTHON_EXECUTABLE": "/mine/python"}
    prepare_environment(environ, model(tmp_path), tmp_path, tmp_path)
    assert environ["PYTHON_EXECUTABLE"] == "/mine/python"


def test_mpi_gets_the_stub_and_as_many_gpus_as_ranks(tmp_path, monkeypatch):
    monkeypatch.setattr(cudart, "gpu_count", lambda: 0)
    environ = {"PATH": str(Path(sys.executable).parent)}
    wanted = model(tmp_path, engine="MPI", tensor_parallel_degree="2")
    library = prepare_environment(environ, wanted, tmp_path, tmp_path)
    assert (library / "libcudart.so").is_file()
    assert environ[cudart.GPU_COUNT_VARIABLE] == "2"
    assert environ["TMPDIR"] == str(tmp_path)
    assert environ["PYTHON_EXECUTABLE"] == sys.executable
    assert shutil.which("mpirun", path=environ["PATH"]) == str(tmp_path / "bin" / "mpirun")


def test_mpi_on_a_machine_with_gpus_uses_its_cuda(tmp_path, monkeypatch):
    monkeypatch.setattr(cudart, "gpu_count", lambda: 1)
    environ = {"PATH": str(Path(sys.executable).parent)}
    assert prepare_environment(environ, model(tmp_path, engine="MPI"), tmp_path, tmp_path) is None


def test_mpi_without_mpirun(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(LoadError, match="mpirun"):
        prepare_environment({}, model(tmp_path, engine="MPI"), tmp_path, tmp_path)


def test_a_taken_port_and_a_missing_model_are_one_sentence(tmp_path):
    said = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert server.run(Settings("gpt2", port=port), said.append) == 1
    assert server.run(Settings("./missing", port=0), said.append) == 1
    assert said == [
        f"error: Cannot listen on 127.0.0.1 port {port} (Address already in use): choose another with --port.",
        "error: There is no directory './missing', and it is neither a hub id (owner/name) nor an s3:// address.",
    ]


def test_the_whole_end_fits_into_25_seconds():
    assert Settings().grace == server.GRACE
    assert server.GRACE + server.ENDING < 25
    assert drain.TELLING + drain.CUTTING + http.LAST_BYTES < server.ENDING


def unserved(tmp_path, said):
    scratch = tmp_path / "scratch"
    (scratch / "java").mkdir(parents=True)
    with socket.socket() as listening:
        return server._Run(Settings(), said.append, listening, scratch)


def test_a_server_that_hangs_at_its_end_is_ended_by_force(tmp_path, monkeypatch):
    said, codes = [], []
    run = unserved(tmp_path, said)
    monkeypatch.setattr(os, "_exit", codes.append)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        found = [process for process in processes.descendants() if process.pid == child.pid]
        monkeypatch.setattr(processes, "descendants", lambda: found)
        run._end_at_once()
        assert child.wait(20) < 0
    assert said == ["error: the server did not end by itself"]
    assert codes == [1]
    assert not run.scratch.exists()


def test_workers_are_told_of_the_end(tmp_path, monkeypatch):
    said = []
    run = unserved(tmp_path, said)
    run.log = types.SimpleNamespace(quiet=False)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as worker:
        found = [process for process in processes.descendants() if process.pid == worker.pid]
        monkeypatch.setattr(processes, "workers", lambda: found)
        run._tell(3)
        assert worker.wait(20) == -signal.SIGTERM
    assert said == ["stopping: 3 requests were not done in time; they end with an error"]
    assert run.log.quiet, "what DJL says of a worker that ends is no news"
