from __future__ import annotations

import pytest

from djl_trtllm.errors import InvalidRequest
from djl_trtllm.text.template import ChatTemplate
from tests.support.lmi_bodies import chat, read

TALK = [{"role": "user", "content": "Go on"}, {"role": "assistant", "content": "The sea "}]


def prompt(**fields: object) -> str:
    return read(chat(**fields)).prompts[0].text


def refused(template: ChatTemplate | None = None, **fields: object) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        read(chat(**fields), **({"template": template} if template else {}))  # type: ignore[arg-type]
    return list(caught.value.problems)


def test_variables_for_the_template() -> None:
    assert prompt(chat_template_kwargs={"mood": "calm"}) == "<user>Hello</user>\n[calm]<assistant>"
    assert prompt(add_generation_prompt=False) == "<user>Hello</user>\n"


@pytest.mark.parametrize("name", ["messages", "tools", "self", "add_generation_prompt", "a b", "1", ""])
def test_names_that_are_not_for_clients(name: str) -> None:
    assert refused(chat_template_kwargs={name: 1}) == [
        "chat_template_kwargs has a name that a template cannot be given."
    ]


def test_going_on_with_the_last_message() -> None:
    assert prompt(messages=TALK, continue_final_message=True) == "<user>Go on</user>\n<assistant>The sea "
    assert refused(messages=TALK, continue_final_message=True, add_generation_prompt=True) == [
        "continue_final_message and add_generation_prompt exclude each other."
    ]


def test_going_on_where_the_template_strips() -> None:
    template = ChatTemplate("{% for m in messages %}<{{ m.content | trim }}>{% endfor %}", {})
    assert (
        read(chat(messages=TALK, continue_final_message=True), template=template).prompts[0].text
        == "<Go on><The sea"
    )


@pytest.mark.parametrize("last", ["", " "])
def test_nothing_to_go_on_with(last: str) -> None:
    found = refused(messages=[{"role": "assistant", "content": last}], continue_final_message=True)
    assert found == [
        "continue_final_message needs a last message whose text the chat template keeps as it is."
    ]


def test_a_template_may_refuse() -> None:
    strict = ChatTemplate("{{ raise_exception('roles must alternate') }}", {})
    assert refused(strict) == ["The model's chat template refuses these messages: roles must alternate"]


def test_a_prompt_of_nothing_is_left_to_admission() -> None:
    assert read(chat(), template=ChatTemplate("", {})).prompts[0].text == ""
