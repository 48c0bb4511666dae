from pathlib import Path

import pytest

from djl_trtllm.engines.building import text_facts, tokenizer_child
from djl_trtllm.engines.building.tokenizer_child import TokenizerJob
from djl_trtllm.errors import CompileError


class News:
    def __init__(self) -> None:
        self.said: list[str] = []

    def stage(self, name: str, percent: float | None = None) -> None:
        self.said.append(name)

    note = stage


def job(tmp_path: Path, *, hide: bool) -> TokenizerJob:
    (tmp_path / "out" / tokenizer_child.SCRATCH).mkdir(parents=True, exist_ok=True)
    return TokenizerJob("m", str(tmp_path), str(tmp_path), str(tmp_path / "out"), False, hide)


@pytest.mark.parametrize("hide", [True, False])
def test_the_config_of_engines_is_kept_from_transformers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hide: bool
) -> None:
    for name in ("config.json", "tokenizer.model", "rank0.engine"):
        (tmp_path / name).touch()
    seen: list[tuple[list[str], Path]] = []

    def write(text: text_facts.Text, source: Path, *_: object) -> None:
        seen.append((sorted(file.name for file in Path(text.tokenizer).iterdir()), source))

    monkeypatch.setattr(text_facts, "write", write)
    news = News()
    tokenizer_child.convert(job(tmp_path, hide=hide), news)  # type: ignore[arg-type]
    ((names, source),) = seen
    assert source == tmp_path
    assert names == (
        ["tokenizer.model"] if hide else ["config.json", "out", "rank0.engine", "tokenizer.model"]
    )
    assert news.said == ["converting the tokenizer"]


def test_how_it_ended(tmp_path: Path) -> None:
    work = job(tmp_path, hide=False)
    assert tokenizer_child.failed(CompileError("No."), work).problems == ["No."]
    assert (
        "pip install transformers"
        in tokenizer_child.failed(ImportError(name="transformers"), work).problems[0]
    )
    assert tokenizer_child.failed(MemoryError(), work).kind == "memory"
    (said,) = tokenizer_child.failed(KeyError("x"), work).problems
    assert said == "The tokenizer of m cannot be converted: KeyError: 'x'"
