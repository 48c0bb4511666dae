import os
import signal
import threading
import time

import pytest

from djl_trtllm.errors import LoadError
from djl_trtllm.local import distribution, properties
from djl_trtllm.local.server import Settings

SERVE = """#!/bin/sh
echo "$@" > "$RECORD"
directory=${2#*=file://}
cat "$directory/serving.properties" > "$RECORD.properties"
ls "$directory" > "$RECORD.files"
echo "$SERVING_INFERENCE_ADDRESS" > "$RECORD.address"
%s
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    monkeypatch.delenv("HF_MODEL_ID", raising=False)

    def make(last: str):
        program = tmp_path / "bin" / "serve"
        program.write_text(SERVE % last)
        program.chmod(0o755)
        return tmp_path

    return make


def test_the_distribution_gets_the_same_model(home, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.py").touch()
    (model / "serving.properties").write_text("engine=MPI\noption.dtype=fp16\njob_queue_size=5\n")
    settings = Settings(str(model), name="mine", port=8123, options={"engine": "Python", "quantize": "int8"})
    said = []
    assert distribution.run(home("exit 7"), settings, said.append) == 7
    flag, _, location = (tmp_path / "record").read_text().strip().partition(" ")
    assert flag == "-m"
    assert location.startswith("mine=file:///")
    assert location.endswith("/served")
    assert (tmp_path / "record.address").read_text() == "http://127.0.0.1:8123\n"
    assert (tmp_path / "record.files").read_text().split() == ["model.py", "serving.properties"]
    assert properties.parse((tmp_path / "record.properties").read_text()) == {
        "engine": "Python",
        "minWorkers": "1",
        "maxWorkers": "1",
        "job_queue_size": "5",
        "option.dtype": "fp16",
        "option.quantize": "int8",
        "option.rolling_batch": "auto",
        "option.model_loading_timeout": "1200",
    }
    assert len(said) == 1


def test_signals_are_handed_on(home, tmp_path):
    def later():
        deadline = time.monotonic() + 20
        while not (tmp_path / "record.address").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=later)
    thread.start()
    assert distribution.run(home("exec sleep 60"), Settings("gpt2"), print) == 128 + signal.SIGTERM
    thread.join()


def test_a_directory_without_a_server(tmp_path):
    with pytest.raises(LoadError, match=r"holds no executable bin/serve"):
        distribution.run(tmp_path, Settings("gpt2"), print)
