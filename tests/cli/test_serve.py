import json

import pytest

from djl_trtllm.cli.main import main
from djl_trtllm.errors import ModelNotFound
from djl_trtllm.local import demo, distribution, server
from djl_trtllm.local.server import Settings


@pytest.fixture
def started(monkeypatch):
    """What the server would have been started with."""
    for name in ("HF_MODEL_ID", "DJL_SERVING_HOME"):
        monkeypatch.delenv(name, raising=False)
    seen: list[object] = []
    monkeypatch.setattr(server, "run", lambda settings, say: seen.append(settings) or 0)
    return seen


def command(*words: str) -> int:
    return main(["serve", *words])


def test_defaults_are_this_machine_only(started):
    assert command("some/model") == 0
    assert started == [Settings("some/model", "model", "127.0.0.1", 8080, "0.34.0", {}, 15.0)]


def test_everything(started):
    words = [
        "m",
        "--port",
        "0",
        "--host",
        "::1",
        "--engine",
        "MPI",
        "--djl",
        "0.25.0",
        "--name",
        "n",
        "--grace",
        "2",
    ]
    command(*words, "--option", "dtype=fp16", "--option", "option.stop = a=b ")
    options = {"dtype": "fp16", "option.stop": "a=b", "engine": "MPI"}
    assert started == [Settings("m", "n", "::1", 0, "0.25.0", options, 2.0)]


@pytest.mark.parametrize(
    "words", [["--port", "x"], ["--port", "70000"], ["--option", "dtype"], ["--engine", "Java"]]
)
def test_wrong_usage(started, words, capsys):
    with pytest.raises(SystemExit) as ended:
        command("m", *words)
    assert ended.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_the_demo_model_where_none_is_named(started, monkeypatch, tmp_path, capsys):
    def checkpoint(cache_dir, progress):
        progress.stage("converting", 40)
        progress.stage("writing")
        return tmp_path

    monkeypatch.setattr(demo, "checkpoint", checkpoint)
    command()
    assert started[0].model == str(tmp_path)
    assert capsys.readouterr().err == "converting: 40 %\nwriting\n"
    monkeypatch.setenv("HF_MODEL_ID", "some/model")
    command()
    assert started[1].model is None


def test_a_demo_model_that_cannot_be_had_is_one_sentence(started, monkeypatch, capsys):
    def checkpoint(cache_dir, progress):
        raise ModelNotFound("No weights.")

    monkeypatch.setattr(demo, "checkpoint", checkpoint)
    assert command() == 1
    assert (started, capsys.readouterr().err) == ([], "error: No weights.\n")


def test_a_full_distribution_goes_first(started, monkeypatch, tmp_path):
    monkeypatch.setenv("DJL_SERVING_HOME", str(tmp_path))
    homes = []
    monkeypatch.setattr(distribution, "run", lambda home, settings, say: homes.append(home) or 5)
    assert command("m") == 5
    assert (homes, started) == ([tmp_path], [])


def test_a_server_tells_a_program_once_that_it_is_ready(monkeypatch, capsys):
    def run(settings, say):
        say("listening: http://127.0.0.1:1")
        say("ready: http://127.0.0.1:1")
        say("error: it ended.")
        return 1

    monkeypatch.setattr(server, "run", run)
    assert command("m", "--json") == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == {"ready": "http://127.0.0.1:1"}
    assert err.splitlines() == [
        "listening: http://127.0.0.1:1",
        "ready: http://127.0.0.1:1",
        "error: it ended.",
    ]


def test_a_server_that_does_not_get_ready_tells_a_program_why(monkeypatch, capsys):
    monkeypatch.setattr(server, "run", lambda settings, say: say("error: no model.") or 1)
    assert command("m", "--json") == 1
    assert json.loads(capsys.readouterr().out) == {"error": ["no model."]}
