from __future__ import annotations

from pathlib import Path

from djl_trtllm.schemas.parameters import RULES, UNSUPPORTED, Parameters, markdown

DOCS = Path(__file__).parents[2] / "docs" / "requests.md"


def test_the_documentation_is_current() -> None:
    assert markdown() in DOCS.read_text(encoding="utf-8"), (
        "the table in docs/requests.md is not what djl_trtllm.schemas.parameters.markdown() returns; paste it there"
    )


def test_every_parameter_has_a_rule_and_starts_unset() -> None:
    assert tuple(RULES) == Parameters.__struct_fields__
    assert all(getattr(Parameters(), name) is None for name in RULES)
    assert not RULES.keys() & UNSUPPORTED.keys()


def test_rules_read_as_sentences() -> None:
    for rule in RULES.values():
        assert rule.meaning.endswith("."), rule.name
        assert rule.allowed.startswith(("a ", "true or false", "the ")), rule.name
