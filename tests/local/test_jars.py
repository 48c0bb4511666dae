import json
import sys
from types import SimpleNamespace

import pytest

from djl_trtllm.errors import LoadError
from djl_trtllm.local import jars


@pytest.fixture
def jgo(monkeypatch, tmp_path):
    """Stands in for jgo: "fetches" two jars, counts the calls."""
    repository = tmp_path / "repository"
    repository.mkdir()
    calls = []

    def build(endpoint, cache_dir):
        calls.append(endpoint)
        if fake.problem:
            raise fake.problem
        for name in fake.names:
            (repository / name).write_text(name)
        return SimpleNamespace(all_jars=[repository / name for name in fake.names])

    fake = SimpleNamespace(
        build=build, calls=calls, problem=None, names=["python-0.34.0.jar", "api-0.34.0.jar"]
    )
    monkeypatch.setitem(sys.modules, "jgo", fake)
    return fake


def test_fetched_once_then_remembered(jgo, tmp_path):
    said = []
    first = jars.class_path("0.34.0", tmp_path / "cache", said.append)
    assert [jar.name for jar in first] == jgo.names
    assert len(said) == 1
    assert jars.class_path("0.34.0", tmp_path / "cache", said.append) == first
    assert (len(said), len(jgo.calls)) == (1, 1)
    assert jgo.calls[0].startswith("ai.djl.python:python:0.34.0+org.slf4j:slf4j-simple:")


@pytest.mark.parametrize("damage", ["missing", "truncated", "record"])
def test_a_damaged_cache_is_fetched_again(jgo, tmp_path, damage):
    first = jars.class_path("0.34.0", tmp_path, print)
    if damage == "missing":
        first[0].unlink()
    elif damage == "truncated":
        first[0].write_text("")
    else:
        (tmp_path / "class-path-0.34.0.json").write_text(json.dumps(["odd"]))
    assert jars.class_path("0.34.0", tmp_path, print) == first
    assert len(jgo.calls) == 2


def test_no_network(jgo, tmp_path):
    jgo.problem = OSError("no route\nto host")
    with pytest.raises(
        LoadError, match=r"DJL 0\.34\.0 .* from Maven Central: no route\. The first start needs the network"
    ):
        jars.class_path("0.34.0", tmp_path, print)


def test_a_repository_without_the_engine(jgo, tmp_path):
    jgo.names = ["something.jar"]
    with pytest.raises(LoadError, match=r"no python-0\.34\.0\.jar"):
        jars.class_path("0.34.0", tmp_path, print)


def test_not_a_version(tmp_path):
    with pytest.raises(LoadError, match="'newest' is not of the form"):
        jars.class_path("newest", tmp_path, print)


def test_without_jgo(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "jgo", None)
    with pytest.raises(LoadError, match=r"djl-trtllm\[local\]"):
        jars.class_path("0.34.0", tmp_path, print)
