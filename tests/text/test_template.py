"""Chat templates of the usual styles, against transformers' own rendering, and what bounds them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from djl_trtllm.errors import ArtifactError, InvalidRequest
from djl_trtllm.text.template import ChatTemplate
from tests.text import chat_templates

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}

STYLES = {
    "chatml": """{%- for message in messages %}
    {%- if loop.first and message.role != 'system' %}
        {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
    {%- endif %}
    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}""",
    "inst": """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}
{% set system = '<<SYS>>\\n' + messages[0]['content'].strip() + '\\n<</SYS>>\\n\\n' %}
{% else %}{% set loop_messages = messages %}{% set system = '' %}{% endif %}
{% for message in loop_messages %}
    {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{ raise_exception('Roles must alternate user/assistant/user/assistant/...') }}
    {% endif %}
    {% if message['role'] == 'user' %}
{{ '[INST] ' + (system if loop.first else '') + message['content'] | trim + ' [/INST]' }}
    {% else %}
{{ ' ' + message['content'] | trim + ' ' + eos_token }}
    {% endif %}
{% endfor %}""",
    "headers_with_tools": """{{- bos_token }}
{%- set ns = namespace(tools_shown=false) %}
{%- if not date_string is defined %}{%- set date_string = strftime_now('%Y') %}{%- endif %}
{{- 'Cutting date: ' ~ date_string ~ '\\n' }}
{%- if tools is not none %}
    {%- for tool in tools %}
        {{- tool | tojson(indent=4) }}
        {{- '\\n' ~ (tool | tojson) ~ '\\n' }}
        {%- set ns.tools_shown = true %}
    {%- endfor %}
{%- endif %}
{{- 'shown: ' ~ ns.tools_shown }}
{%- macro header(role) -%}
    {{ '<|start_header_id|>' ~ role ~ '<|end_header_id|>\\n\\n' }}
{%- endmacro -%}
{%- for message in messages %}
    {{- header(message.role) + message.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- header('assistant') }}{%- endif %}""",
    "generation_blocks": """{% for message in messages %}
{% if message.role == 'assistant' %}
<|assistant|>{% generation %}{{ message.content }}{{ eos_token }}{% endgeneration %}

{% else %}
<|{{ message.role }}|>
{{ message.content }}<|end|>
{% endif %}
{% endfor %}
{% if add_generation_prompt %}<|assistant|>
{% endif %}""",
    "turns": """{% for m in messages if m.role != 'system' %}
{% set role = 'model' if m.role == 'assistant' else m.role %}
<start_of_turn>{{ role }}
{{ m['content'] | trim | upper if loop.last else m['content'] | trim }}<end_of_turn>
{% if loop.index > 3 %}{% break %}{% endif %}
{% endfor %}
{% if add_generation_prompt is defined and add_generation_prompt %}<start_of_turn>model
{% endif %}{{ messages | length }} {{ range(3) | list }} {{ messages | map(attribute='role') | join('/') }}
{{ missing }}{{ messages[0] | tojson }}{{ documents }}{{ '%s-%d' % ('a', 3) }}{{ 'ab' * 3 }}{{ 2 ** 5 }}""",
}
STYLES |= {"tools": chat_templates.TOOLS, "jinja": chat_templates.JINJA}
HISTORY = [
    {"role": "user", "content": "  Hi <b>there</b> & \"you\" 'two'\n"},
    {"role": "assistant", "content": "Grüß dich! 😀"},
    {"role": "user", "content": "What now?"},
]
CHATS = {
    "one": HISTORY[:1],
    "three": HISTORY,
    "system": [{"role": "system", "content": "Be terse."}, *HISTORY],
    "wrong order": [HISTORY[0], HISTORY[0]],
    **chat_templates.CHATS,
}
PROPERTIES = {"what": {"type": "string"}, "n": {"type": "array"}}
TOOL = {
    "type": "function",
    "function": {
        "name": "find",
        "description": "Sucht <Dinge>",
        "parameters": {"n": 1.5, "properties": PROPERTIES},
    },
}
CASES = [
    (style, chat, prompt, tools)
    for style in STYLES
    for chat in CHATS
    for prompt in (True, False)
    for tools in (None, [TOOL, TOOL])
]
THEIRS = """
import datetime, json, sys, tokenizers, transformers
asked, answers = json.load(sys.stdin), []
tokenizer = transformers.PreTrainedTokenizerFast(
    tokenizer_object=tokenizers.Tokenizer(tokenizers.models.BPE()), clean_up_tokenization_spaces=False,
    **asked["tokens"])
def now(form): return datetime.datetime.now().strftime(form)
def knows(template):
    try:
        return tokenizer.apply_chat_template([{}], chat_template=template, tokenize=False) is not None
    except Exception:
        return False
more = {} if knows("{{ strftime_now('%Y') }}") else {"strftime_now": now}
loops = knows("{% for m in messages %}{% break %}{% endfor %}")
for case in asked["cases"]:
    try:
        answers.append(tokenizer.apply_chat_template(
            [case["messages"]], tools=case["tools"], chat_template=case["template" if loops else "no loops"],
            add_generation_prompt=case["prompt"], tokenize=False, **more)[0])
    except Exception as error:
        answers.append([type(error).__name__])
print(json.dumps({"answers": answers, "loops": loops}))
"""
"""transformers 4.44 gives templates no clock and no break; the one it is lent, the other is left out on both sides."""


def template(style: str, loops: bool) -> str:
    leaving = r"\{% if [^%]*%\}\{% (break|continue) %\}\{% endif %\}"
    return STYLES[style] if loops else re.sub(leaving, "", STYLES[style])


def ours(style: str, chat: str, prompt: bool, tools: list[Any] | None, loops: bool = True) -> str | None:
    try:
        return ChatTemplate(template(style, loops), TOKENS).render(
            CHATS[chat], tools=tools, add_generation_prompt=prompt
        )
    except InvalidRequest:
        return None


def test_rendering_is_that_of_transformers() -> None:
    cases = [
        {
            "template": template(style, loops=True),
            "no loops": template(style, loops=False),
            "messages": CHATS[chat],
            "prompt": prompt,
            "tools": tools,
        }
        for style, chat, prompt, tools in CASES
    ]
    run = subprocess.run(
        [sys.executable, "-c", THEIRS],
        input=json.dumps({"cases": cases, "tokens": TOKENS}),
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    said = json.loads(run.stdout)
    theirs = [None if isinstance(answer, list) else answer for answer in said["answers"]]
    assert theirs == [ours(*case, loops=said["loops"]) for case in CASES]
    assert 0 < theirs.count(None) < len(theirs) / 2
    assert all(
        None not in theirs[n : n + 4] for n, case in enumerate(CASES) if case[1:] == ("three", True, None)
    )


@pytest.mark.parametrize("case", [case for case in CASES if case[1] in ("one", "three", "system")])
def test_every_style_renders(case: Any) -> None:
    rendered = ours(*case)
    assert rendered is not None
    assert "Hi <b>there</b> & \"you\" 'two'" in rendered or "HI <B>" in rendered


def test_what_the_template_refuses_is_told() -> None:
    with pytest.raises(InvalidRequest, match="refuses these messages: Roles must alternate"):
        ChatTemplate(STYLES["inst"], TOKENS).render(CHATS["wrong order"])


def test_messages_a_template_cannot_use_are_the_clients_fault_and_not_quoted() -> None:
    secret = {"role": "user", "content": {"text": "secret words"}}
    with pytest.raises(
        InvalidRequest, match=r"cannot be filled in with these messages \(TypeError\)"
    ) as caught:
        ChatTemplate(STYLES["chatml"], TOKENS).render([secret])
    assert "secret" not in str(caught.value)
    with pytest.raises(
        InvalidRequest, match="refuses these messages: 'dict object' has no attribute 'content'"
    ):
        ChatTemplate("{{ messages[0].content.x }}", TOKENS).render([{"role": "user"}])


def test_a_broken_template_is_the_models_fault() -> None:
    with pytest.raises(ArtifactError, match="line 2"):
        ChatTemplate("{{ 1 }}\n{% if %}", {})


@pytest.mark.parametrize(
    "source",
    [
        "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}",
        "{{" + "[" * 3000 + "]" * 3000 + "}}",
        "{% if a %}" * 3000 + "{% endif %}" * 3000,
        "{% for a in b %}" * 30 + "{% endfor %}" * 30,
        "{{ " + "not " * 20000 + "1 }}",
        "{{ " + "9" * 5000 + " }}",
    ],
    ids=lambda source: source[:20],
)
def test_a_template_nested_without_end_is_the_models_fault(source: str) -> None:
    with pytest.raises(ArtifactError, match=r"cannot be compiled \(\w+\)"):
        ChatTemplate(source, {})


def test_a_template_has_a_length() -> None:
    ChatTemplate("x" * 2**20, {})
    with pytest.raises(ArtifactError, match="has 1048577 characters; at most 1048576"):
        ChatTemplate("x" * (2**20 + 1), {})


def test_variables() -> None:
    chat = ChatTemplate("{{ bos_token }}{{ thinking }}{{ tools is none }}{{ add_generation_prompt }}", TOKENS)
    assert chat.render([], thinking="on") == "<s>onTrueTrue"
    assert chat.render([], thinking=1, bos_token="b", add_generation_prompt=False, tools=[]) == "b1FalseFalse"


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(1000000000) %}{% endfor %}",
        "{{ messages.__class__.__mro__ }}{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{% include 'x' %}",
        "{{ 'a' ** 3 }}",
    ],
)
def test_the_sandbox_holds(source: str) -> None:
    with pytest.raises(InvalidRequest, match="chat template"):
        ChatTemplate(source, {}).render([{"role": "user", "content": "x"}])
