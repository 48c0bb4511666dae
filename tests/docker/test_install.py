"""What an image build runs, into a scratch root: nothing of this machine is changed, and no Docker is needed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from djl_trtllm.local.jars import DEFAULT_VERSION, class_path
from tests.docker.test_held import install
from tests.support import djl_python, tiny
from tests.support.server import ROOT

DOCKER = ROOT / "docker"
LOCK = ROOT / "requirements" / "dev.lock"


def uv() -> Path:
    """uv, as scripts/setup has it."""
    found = shutil.which("uv") or ROOT / ".venv" / ".uv" / "bin" / "uv"
    assert Path(found).exists(), "uv is needed: `make` puts it into .venv/.uv"
    return Path(found)


def run(*command: object, cwd: Path, **environ: object) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{uv().parent}:{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/root"),
        # What the machine says of its registries, as a build on it would see.
        **{name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_", "SSL_"))},
        **{name: str(value) for name, value in environ.items()},
    }
    words = [*map(str, command)]
    return subprocess.run(
        words, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=200
    )


def well(*command: object, cwd: Path, **environ: object) -> str:
    done = run(*command, cwd=cwd, **environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project() -> Iterator[Path]:
    """The checkout as a build sees it: what .dockerignore lets through, and it may be written to."""
    with tempfile.TemporaryDirectory(prefix="djl-trtllm-image-") as directory:
        sources = Path(directory, "src")
        sources.mkdir()
        rules = (ROOT / ".dockerignore").read_text().splitlines()
        for name in (rule[1:] for rule in rules if rule.startswith("!")):
            place = ROOT / name
            if place.is_dir():
                shutil.copytree(place, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(place, sources / name)
        yield sources


@pytest.fixture(scope="module")
def container(project: Path) -> Mapping[str, Path]:
    """A Python with libraries of a container, and the project installed beside them."""
    root = project.parent / "lmi"
    python = root / "python" / "bin" / "python"
    well(uv(), "venv", "--quiet", "--python", sys.executable, root / "python", cwd=project)
    well(
        uv(),
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "--constraint",
        LOCK,
        "numpy",
        "packaging",
        cwd=project,
    )
    site = next((root / "python" / "lib").glob("*/site-packages"))
    for name, version in (("torch", "2.4.0"), ("tensorrt-llm", "0.12.0"), ("pydantic", "2.6.1")):
        install(site, name, version)
    scripts = root / "usr" / "local" / "bin"
    scripts.mkdir(parents=True)
    step = next(
        line for line in (DOCKER / "lmi.Dockerfile").read_text().splitlines() if line.startswith("RUN ")
    )
    script = step.split()[-1].replace("/src", str(project))
    output = well(
        "sh",
        script,
        cwd=project,
        ROOT=root,
        PYTHON=python,
        PIP=f"{uv()} pip",
        PIP_OPTIONS=f"--quiet --constraint {LOCK}",
        VIRTUAL_ENV=root / "python",
    )
    assert "error" not in output
    return {"root": root, "python": python, "site": site}


def test_the_libraries_of_the_container_stay(container) -> None:
    names = {path.name for path in container["site"].iterdir()}
    assert {"torch-2.4.0.dist-info", "tensorrt_llm-0.12.0.dist-info", "pydantic-2.6.1.dist-info"} <= names
    assert "djl_trtllm" in names
    assert not names & {"transformers", "openvino", "starlette"}


def test_the_handler_is_what_djl_imports(container, tmp_path) -> None:
    code = "import djl_trtllm.handler as h; print(h.__file__, h.handle.__name__)"
    path = djl_python.path()
    file, name = well(container["python"], "-c", code, cwd=tmp_path, PYTHONPATH=path).split()
    assert Path(file).is_relative_to(container["site"])
    assert name == "handle"
    text = (DOCKER / "lmi.Dockerfile").read_text()
    assert "DJL_ENTRY_POINT=djl_trtllm.handler" in text


def test_the_partition_script_is_in_the_place_of_lmis(container, tmp_path) -> None:
    script = container["root"] / "opt" / "djl" / "partition" / "trt_llm_partition.py"
    assert "--trt_llm_model_repo" in well(container["python"], script, "--help", cwd=tmp_path)
    (tmp_path / "serving.properties").write_text("option.quantize=no such\n")
    arguments = ["--properties_dir", tmp_path, "--trt_llm_model_repo", tmp_path / "made"]
    failed = run(container["python"], script, *arguments, "--tensor_parallel_degree", "1", cwd=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: quantize=no such (from serving.properties) must be one of")


def test_the_check_runs(container, tmp_path) -> None:
    (tmp_path / "serving.properties").write_text("option.runtime=openvino\noption.max_output_len=9\n")
    command = container["python"].with_name("djl-trtllm")
    assert "max_output_len" in well(command, "options", "max_output_len", cwd=tmp_path)
    done = run(command, "check", tmp_path, cwd=tmp_path)
    assert "Traceback" not in done.stderr
    assert "max_output_len" in done.stdout


def test_lmis_entry_script_comes_after_ours(container, tmp_path) -> None:
    """With paths of the container put into the scratch root."""
    bin_directory = container["root"] / "usr" / "local" / "bin"
    entry = bin_directory / "djl-trtllm-entrypoint"
    assert str(entry).endswith(json.loads(_instruction("lmi", "ENTRYPOINT"))[0])
    local = str(container["root"] / "usr" / "local")
    entry.write_text(entry.read_text().replace("/usr/local", local))
    theirs = bin_directory / "dockerd-entrypoint.sh"
    theirs.write_text('#!/bin/sh\necho "$@" $OPTION_MAX_INPUT_LEN\n')
    theirs.chmod(0o755)
    assert (
        well(entry, *json.loads(_instruction("lmi", "CMD")), cwd=tmp_path, MAX_INPUT_LENGTH=77)
        == "serve 77\n"
    )


@pytest.fixture(scope="module")
def cpu(project: Path) -> Path:
    """The environment of the CPU image, the smaller one."""
    root = project.parent / "cpu"
    home = root / "opt" / "djl-trtllm"
    jars = class_path(DEFAULT_VERSION, djl_python.ROOT / "jars", print)
    sizes = {str(jar): jar.stat().st_size for jar in jars}
    (home / "jars").mkdir(parents=True)
    (home / "jars" / f"class-path-{DEFAULT_VERSION}.json").write_text(json.dumps(sizes))
    script = project / "docker" / "cpu" / "install.sh"
    well("sh", script, cwd=project, ROOT=root, PYTHON=sys.executable, LOCK="cpu")
    return home


def test_the_cpu_image_has_what_serving_needs(cpu) -> None:
    site = next(cpu.glob("lib/*/site-packages"))
    names = {path.name for path in site.iterdir()}
    assert {"djl_trtllm", "openvino_genai", "starlette", "jpype", "boto3"} <= names
    assert "torch" not in names
    text = (DOCKER / "cpu.Dockerfile").read_text()
    assert "USER 1000:1000" in text
    for made in re.findall(r"^COPY --from=build (?:--chown=1000:1000 )?(/opt/\S+) ", text, re.MULTILINE):
        assert cpu.parents[1].joinpath(made[1:]).is_dir()
    assert "COPY --from=build --chown=1000:1000 /opt/djl-trtllm-cache /tmp/.djl.ai" in text
    assert "DJL_CACHE_DIR=/tmp/.djl.ai" in text


@contextmanager
def serving(cpu: Path, tmp_path: Path, **environ: object) -> Iterator[list[str]]:
    """Run the entry script as SageMaker does, on a free port, until it is ready or ends; yields the log so far."""
    environment = {
        "PATH": f"{cpu / 'bin'}:/usr/bin:/bin",
        "DJL_CACHE_DIR": str(tmp_path / "cache"),
        "SAGEMAKER_BIND_TO_PORT": "0",
        **{name: str(value) for name, value in environ.items()},
    }
    command = [str(cpu / "entrypoint.sh"), "serve"]
    process = subprocess.Popen(
        command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    log: list[str] = []
    # What is said after that must not fill the pipe.
    reader = threading.Thread(target=process.stderr.read, daemon=True)
    try:
        for line in process.stderr:
            log.append(line.rstrip())
            if line.startswith("ready: "):
                break
        reader.start()
        yield log
    finally:
        process.terminate()
        code = process.wait(60)
        if reader.ident:
            reader.join(60)
        process.stderr.close()
        log.append(f"ended with {code}")


@pytest.mark.compile
def test_what_sagemaker_has_unpacked_is_served(cpu, tmp_path) -> None:
    """A model that was compiled before, no serving.properties, all of it by variables; nothing is written there."""
    store = tmp_path / "model"
    shutil.copytree(tiny.compiled("llama"), store)
    before = {path.name: path.stat().st_mtime_ns for path in store.iterdir()}
    with serving(
        cpu, tmp_path, MODEL_STORE=store, MAX_INPUT_LENGTH=16, MAX_BATCH_SIZE=4, SM_NUM_GPUS=0
    ) as log:
        assert log[-1].startswith("ready: "), "\n".join(log)
        assert not [line for line in log if "fetching the jars" in line]
        url = log[-1].split()[1]
        with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
            assert client.get("/ping").status_code == 200
            body = {"inputs": "one two three", "parameters": {"max_new_tokens": 4}}
            assert client.post("/invocations", json=body).json()["generated_text"]
            refused = client.post("/invocations", json={**body, "inputs": "one " * 40})
            assert refused.status_code == 400
            assert "16" in refused.json()["error"]
    assert log[-1] == "ended with 0"
    assert {path.name: path.stat().st_mtime_ns for path in store.iterdir()} == before


def test_nothing_was_unpacked(cpu, tmp_path) -> None:
    with serving(cpu, tmp_path, MODEL_STORE=tmp_path / "model") as log:
        assert f"error: There is no directory '{tmp_path / 'model'}', and it is neither a hub id" in log[-1]
    assert log[-1] == "ended with 1"


def _instruction(name: str, word: str) -> str:
    lines = (DOCKER / f"{name}.Dockerfile").read_text().splitlines()
    return next(line.removeprefix(word) for line in reversed(lines) if line.startswith(f"{word} "))
