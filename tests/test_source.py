"""What the package's own source may not do, and the few places where it does, each with its reason."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(file for place in ("djl_trtllm", "docker") for file in (ROOT / place).rglob("*.py"))

UNPICKLING = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
"""Modules whose reading runs code."""
RUNNING = {"eval", "exec", "compile", "__import__"}
"""Builtins that run what they are given."""
UNSAFE = {
    *(f"{owner}.load" for owner in ("torch", "np", "numpy", "yaml", "joblib")),
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("runpy.run_path", "runpy.run_module", "shutil.unpack_archive", "torch.hub.load"),
}
METHODS = {"exec_module", "load_module", "extractall"}
"""Whatever they are called on."""
PICKLED_BY_MPI = {"isend", "irecv", "bcast", "allgather", "allreduce"}
"""mpi4py's methods that pickle what they send."""
SWITCHES = {"allow_pickle": True, "shell": True, "weights_only": False}

ALLOWED = {
    ("djl_trtllm/cli/main.py", "importlib.import_module"): "the commands of its own table",
    ("djl_trtllm/formats/custom.py", "importlib.import_module"): "the formatter that the operator has named",
    ("djl_trtllm/formats/custom.py", "exec_module"): "the same, in a file of the model directory",
    (
        "djl_trtllm/ranks/mailbox.py",
        "isend",
    ): "between the ranks of one mpirun, which run the same code as one user",
    ("djl_trtllm/ranks/mailbox.py", "irecv"): "the same",
    ("djl_trtllm/engines/trtllm/gpt_link.py", "bcast"): "the same",
}


def findings(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.partition(".")[0] in UNPICKLING)
        elif isinstance(node, ast.ImportFrom):
            yield from [node.module] if (node.module or "").partition(".")[0] in UNPICKLING else []
        elif isinstance(node, ast.keyword):
            if node.arg in SWITCHES and isinstance(node.value, ast.Constant):
                yield from [node.arg] if node.value.value is SWITCHES[node.arg] else []
        elif isinstance(node, ast.Call):
            yield from _called(node)


def _called(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    last = name.rpartition(".")[2]
    if name in RUNNING | UNSAFE:
        yield name
    elif "." in name and last in METHODS | PICKLED_BY_MPI:
        yield last
    elif name == "importlib.import_module" and not isinstance(call.args[0], ast.Constant):
        yield name
    elif last == "from_pretrained" and not ours(name):
        given = {keyword.arg for keyword in call.keywords}
        needed = {"local_files_only", *(() if "Tokenizer" in name else ("use_safetensors",))}
        yield from (f"{name} without {missing}" for missing in sorted(needed - given))


def ours(name: str) -> bool:
    """The selftest's own little architectures read checkpoints that it has just made."""
    return name == "model_class.from_pretrained"


def test_nothing_reads_pickles_or_runs_what_it_reads() -> None:
    found = {
        (file.relative_to(ROOT).as_posix(), what)
        for file in FILES
        for what in findings(file.read_text(encoding="utf-8"))
    }
    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import a, marshal as m",
        "from cloudpickle import loads",
        "torch.load(path)",
        "np.load(path, allow_pickle=True)",
        "read(path, weights_only=False)",
        "eval(text)",
        "exec(text)",
        "importlib.import_module(name)",
        "subprocess.run(command, shell=True)",
        "os.system(command)",
        "archive.extractall()",
        "self._comm.bcast(value)",
        "AutoTokenizer.from_pretrained(name)",
        "AutoModelForCausalLM.from_pretrained(name, local_files_only=True)",
    ],
)
def test_each_would_be_found(source: str) -> None:
    assert list(findings(source))


@pytest.mark.parametrize(
    "source",
    [
        "json.load(file)",
        "re.compile(x)",
        "model.eval()",
        "platform.system()",
        "build(allow_pickle=job.allow_pickle)",
    ],
)
def test_what_is_harmless_is_not(source: str) -> None:
    assert not list(findings(source))


SECRETS = re.compile(
    rb"\bhf_[A-Za-z0-9]{30,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}|\bgithub_pat_[A-Za-z0-9_]{40,}"
    rb"|\bsk-[A-Za-z0-9]{32,}|\bxox[abprs]-[A-Za-z0-9-]{20,}|\bnvapi-[A-Za-z0-9_-]{40,}|\bglpat-[A-Za-z0-9_-]{20}"
    rb"|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"
)
EXAMPLES = {b"AKIAIOSFODNN7EXAMPLE"}
"""AWS's own, for documentation."""


def test_no_secret_is_in_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [ROOT / name.decode() for name in listed.split(b"\0") if name]
    assert len(files) > 500
    found = {
        str(file.relative_to(ROOT))
        for file in files
        if file.is_file() and set(SECRETS.findall(file.read_bytes())) - EXAMPLES
    }
    assert found == set()


@pytest.mark.parametrize(
    "secret",
    ["hf_" + "a1" * 17, "AKIA" + "Q7" * 8, "ghp_" + "x" * 36, "-----BEGIN RSA " + "PRIVATE KEY-----"],
)
def test_a_secret_would_be_found(secret: str) -> None:
    assert SECRETS.search(f'key = "{secret}"'.encode())
