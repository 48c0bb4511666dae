from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from djl_trtllm.schemas import chat, completions, lmi, parameters
from djl_trtllm.schemas.guided import Guided
from djl_trtllm.schemas.openai_parameters import OpenAIParameters
from djl_trtllm.schemas.rules import markdown, rules
from tests.support.lmi_bodies import EVERYTHING, read

DOCS = Path(__file__).parents[2] / "docs" / "requests.md"
TABLES = {
    "lmi": parameters.Parameters,
    "chat": chat.Body,
    "completions": completions.Body,
    "both": OpenAIParameters,
    "guided": Guided,
}
BODIES = (parameters.Parameters, lmi.Body, chat.Body, completions.Body)


@pytest.mark.parametrize("name", TABLES)
def test_the_documentation_is_current(name: str) -> None:
    table = markdown(TABLES[name])
    assert table in DOCS.read_text(encoding="utf-8"), (
        f"docs/requests.md does not have what djl_trtllm.schemas.rules.markdown() makes of {TABLES[name].__name__}; "
        f"paste it there:\n{table}"
    )


@pytest.mark.parametrize(
    "example", re.findall(r"^```json\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.M | re.S)
)
def test_the_examples_are_good(example: str) -> None:
    assert read(example, features=EVERYTHING).warnings == ()


@pytest.mark.parametrize("struct", BODIES)
def test_every_parameter_has_a_rule_and_starts_unset(struct: type[msgspec.Struct]) -> None:
    assert sorted(rules(struct)) == sorted(struct.__struct_fields__)
    assert all(getattr(struct(), name) is None for name in rules(struct))
    for module in (parameters, chat, completions):
        assert not rules(getattr(module, "Body", parameters.Parameters)).keys() & module.UNSUPPORTED.keys()


@pytest.mark.parametrize("struct", BODIES)
def test_rules_read_as_sentences(struct: type[msgspec.Struct]) -> None:
    for rule in rules(struct).values():
        assert rule.meaning.endswith("."), rule.name
        assert rule.allowed.startswith(("a ", "an ", "true or false", "the ", "anything")), rule.name
