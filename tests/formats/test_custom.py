"""Model authors' formatters: found where the option says, or refused with what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.errors import OptionsError
from djl_trtllm.formats.custom import load, spec_of

SOURCE = """
def output_formatter(function):
    function.is_output_formatter = True
    return function

@output_formatter
def decorated(output):
    return "x"

def typed(output):
    return "y"
typed.content_type = "text/csv"

class Formatter:
    def __call__(self, output):
        return "z"

instance = Formatter()

def legacy(token, first, last, details, text, request_id):
    return token.text

def wrong(output, more):
    return ""

def generator(output):
    yield ""

async def coroutine(output):
    return ""

number = 3
odd = lambda output: ""
odd.content_type = 3
"""


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(SOURCE)
    (tmp_path / "other.py").write_text(
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: int = 1\ndef f(output): return 'f'\n"
    )
    (tmp_path / "broken.py").write_text("raise RuntimeError('no\\nluck')\n")
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "said", "content_type"),
    [
        ("decorated", "x", "application/json"),
        ("model.py:decorated", "x", "application/json"),
        ("model.py:typed", "y", "text/csv"),
        ("model.py:instance", "z", "application/json"),
        ("other.py:f", "f", "application/json"),
        ("posixpath:basename", "", "application/json"),
    ],
)
def test_places(model_dir: Path, spec: str, said: str, content_type: str) -> None:
    formatter = load(spec, model_dir)
    assert formatter.function("") == said
    assert formatter.content_type == content_type
    assert formatter.name == spec


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("model.py:none", "has no function none; decorated with @output_formatter is decorated"),
        ("other.py:none", "has no function none."),
        ("model.py:number", "which is a int and no function"),
        ("model.py:wrong", "cannot be called with one argument"),
        ("model.py:generator", "is a coroutine or a generator"),
        ("model.py:coroutine", "is a coroutine or a generator"),
        ("model.py:odd", "content_type that is no text"),
        ("missing.py:f", "names missing.py, which is not in the model directory"),
        ("broken.py:f", "cannot be loaded: RuntimeError: no luck"),
        ("no.such.module:f", "cannot be imported: ModuleNotFoundError"),
        (":f", "is not of the form"),
        ("model.py:", "is not of the form"),
    ],
)
def test_what_is_wrong_is_said_at_load(model_dir: Path, spec: str, problem: str) -> None:
    with pytest.raises(OptionsError) as caught:
        load(spec, model_dir)
    assert f"output_formatter={spec} " in str(caught.value)
    assert problem in str(caught.value)
    assert str(model_dir) not in str(caught.value)


def test_djls_property_may_be_the_function_itself() -> None:
    def decorated(output: object) -> str:
        return ""

    assert spec_of(decorated) == "model.py:decorated"
    assert spec_of("json") == "json"
