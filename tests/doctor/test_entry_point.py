from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.doctor import entry_point
from tests.support import examined


def said(directory: Path, name: str = "", model: str | None = None, **environ: str) -> tuple[str, str]:
    directory.mkdir(exist_ok=True)
    (directory / "serving.properties").write_text(
        f"option.entryPoint={name}\n" if name else "engine=Python\n"
    )
    if model is not None:
        (directory / "model.py").write_text(model)
    (found,) = examined.said(entry_point.examine(examined.subject(directory, environ)))
    return found


@pytest.mark.parametrize(
    ("name", "gravity", "told"),
    [
        ("djl_trtllm.handler", "ok", "is the entry point"),
        ("djl_trtllm.handle", "problem", "entryPoint=djl_trtllm.handle cannot be imported"),
        ("djl_trtllm", "problem", "has no function handle"),
        ("no_such_package.handler", "problem", "cannot be imported"),
        ("handler.py", "problem", "is no file of the model directory"),
        ("https://example.org/model.py", "note", "is fetched by DJL-Serving"),
        ("djl_python.huggingface", "note", "is DJL's own handler"),
    ],
)
def test_what_is_set(name: str, gravity: str, told: str, tmp_path: Path) -> None:
    found = said(tmp_path / "model", name)
    assert found[0] == gravity
    assert told in found[1]
    assert gravity == "ok" or "://" in name or "Set option.entryPoint=djl_trtllm.handler." in found[1]


@pytest.mark.parametrize(
    ("text", "gravity", "told"),
    [
        ("from djl_trtllm.handler import handle\n", "ok", "hands over to this handler"),
        ("import djl_trtllm.handler\nhandle = djl_trtllm.handler.handle\n", "ok", "hands over"),
        ("def handle(inputs):\n    return None\n", "note", "is another handler"),
        ("def predict(inputs):\n    return None\n", "problem", "has no function handle"),
        ("def handle(inputs:\n", "problem", "is not Python (line 1)"),
    ],
)
def test_a_model_py(text: str, gravity: str, told: str, tmp_path: Path) -> None:
    for number, name in enumerate(("", "model.py", "model")):
        found = said(tmp_path / f"model{number}", name, text)
        assert found[0] == gravity
        assert told in found[1]


def test_nothing_is_run(tmp_path: Path) -> None:
    said(tmp_path / "model", "model", "raise SystemExit('run')\nfrom djl_trtllm.handler import handle\n")


def test_the_environment_sets_it_too(tmp_path: Path) -> None:
    assert said(tmp_path / "a")[0] == "note"
    assert said(tmp_path / "a", OPTION_ENTRYPOINT="djl_trtllm.handler")[0] == "ok"
    assert said(tmp_path / "a", DJL_ENTRY_POINT="djl_trtllm.handler")[0] == "ok"
    assert said(tmp_path / "a", "djl_trtllm.nothing", DJL_ENTRY_POINT="djl_trtllm.handler")[0] == "problem"
