"""What each release answers besides tokens, and that what it does not answer is off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from djl_trtllm.core import Features, GuideKind
from djl_trtllm.engines.trtllm import answers
from djl_trtllm.engines.trtllm.versions import Release
from tests.contract.tensorrt_llm_stand_in import installed
from tests.contract.tensorrt_llm_stand_in.rows import minor, version
from tests.support.collector import Collector
from tests.support.trtllm_engines import EXECUTOR_ROWS, STEP, engine, model
from tests.support.vocabularies import vocabulary

ALL = frozenset(GuideKind)
EXECUTOR = Features(bad_words=True, logit_bias=True, min_p=False)


def features(row: str, path: Path, **options: object) -> Features:
    """What an engine of a row says of itself, with a tokenizer beside it."""
    made = model(path / "engine", row, eos=1, max_beam_width=2)
    (made.path / "tokenizer.json").write_text(vocabulary("byte_level").to_str(), encoding="utf-8")
    with installed(row, step=STEP):
        opened = engine(made, **options)
        opened.open(Collector())
        found = opened.features
        opened.close()
    return found


@pytest.mark.parametrize("row", ["0.8.0", *EXECUTOR_ROWS])
def test_engines_claim_what_their_release_has(row: str, tmp_path: Path) -> None:
    guides = ALL if minor(row) >= (0, 16) else frozenset()
    wanted = replace(EXECUTOR, min_p=minor(row) >= (1, 0), guides=guides)
    assert features(row, tmp_path) == wanted


def test_no_guides_where_they_are_off_or_with_beams(tmp_path: Path) -> None:
    plain = replace(EXECUTOR, min_p=True)
    assert features("1.2~", tmp_path / "off", guided_decoding="off") == plain
    assert features("1.2~", tmp_path / "beams", max_beam_width=2) == replace(plain, beam_width=2)


@pytest.mark.parametrize(
    ("release", "wanted"),
    [
        ("1.0.0", Features(bad_words=True)),
        ("1.1.0", Features(logit_bias=True)),
        ("1.2.1", Features(bad_words=True, logit_bias=True)),
        ("1.3.0rc3", Features(logit_bias=True, top_logprobs=20)),
        ("1.3.0", Features(bad_words=True, logit_bias=True, top_logprobs=20)),
        ("1.4.0", Features(bad_words=True, logit_bias=True, top_logprobs=20)),
    ],
)
def test_the_llm_api_claims_what_its_sampler_has(release: str, wanted: Features) -> None:
    found = Release.of(release)
    assert answers.of_llm_api(found, 1, guided=False) == wanted
    assert answers.of_llm_api(found, 1, guided=True) == replace(wanted, guides=ALL)
    beams = replace(wanted, beam_width=4, top_logprobs=0)
    assert answers.of_llm_api(found, 4, guided=True) == beams


def test_the_rows_of_the_contract_are_told_apart() -> None:
    assert [version(row) for row in ("1.3.0rc3", "1.3-main-after-2026-07")] == ["1.3.0rc3", "1.3.0"]
