"""From the messages of a chat to the prompt that its model's template makes of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from djl_trtllm.errors import InvalidRequest
from djl_trtllm.schemas import texts
from djl_trtllm.schemas.messages import for_template
from djl_trtllm.schemas.site import Site
from djl_trtllm.schemas.tools import Offer

if TYPE_CHECKING:
    from djl_trtllm.schemas.arrived import Arrived
    from djl_trtllm.schemas.chat import Body

_OURS = ("self", "messages", "tools", "documents", "add_generation_prompt")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def write_prompt(arrived: Arrived[Body], offered: Offer, site: Site) -> str:
    """Return the prompt, or "" and problems. Nothing is rendered of a request that is refused already."""
    given, problems = arrived.given, arrived.problems
    messages = _messages(arrived)
    goes_on = given.continue_final_message is True
    if goes_on and given.add_generation_prompt:
        problems.append("continue_final_message and add_generation_prompt exclude each other.")
    more = given.chat_template_kwargs or {}
    for name in more:
        if name in _OURS or not _VARIABLE.fullmatch(name):
            problems.append("chat_template_kwargs has a name that a template cannot be given.")
            break
    if site.template is None:
        problems.append(
            "The model has no chat template, so it cannot take messages: send the prompt as inputs or prompt."
        )
    if problems or site.template is None:
        return ""
    try:
        prompt = site.template.render(
            messages,
            tools=offered.tools or None,
            documents=given.documents,
            add_generation_prompt=not goes_on and given.add_generation_prompt is not False,
            **more,
        )
    except InvalidRequest as error:
        problems += error.problems
        return ""
    # What the messages hold was looked at by name; tools and variables can hold it as well.
    texts.check("The prompt that the chat template makes of this", prompt, problems)
    if not goes_on:
        return prompt
    return _cut(prompt, messages[-1]["content"], problems)


def _messages(arrived: Arrived[Body]) -> list[dict[str, Any]]:
    messages, problems = arrived.given.messages, arrived.problems
    if messages is None:
        if not arrived.blamed("messages"):
            problems.append("messages is missing: send a list of messages.")
        return []
    if not messages:
        problems.append("messages is empty: send at least one message.")
    return for_template(messages, problems)


def _cut(prompt: str, last: str, problems: list[str]) -> str:
    """Return a prompt up to the end of its last message, without what the template puts after it."""
    text = last.strip()
    start = prompt.rfind(text) if text else -1
    if start < 0:
        problems.append(
            "continue_final_message needs a last message whose text the chat template keeps as it is."
        )
        return ""
    # Blanks at the message's end belong to it where the template has kept them.
    end = start + len(text)
    blanks = last[len(last.rstrip()) :]
    return prompt[:end] + (blanks if prompt.startswith(blanks, end) else "")
