"""What a template can be made to do ends soon, whatever it repeats, doubles or pads."""

from __future__ import annotations

import time
from typing import Any

import pytest

from djl_trtllm.errors import InvalidRequest
from djl_trtllm.text import template_budget
from djl_trtllm.text.template import ChatTemplate

LONG = "x\n" * 50_000
MESSAGES = [{"role": "user", "content": LONG}, {"role": "user", "content": LONG[:-1] + "y"}]
TURNS = "{% for i in range(100000) %}"
END = "{% endfor %}"

WITHOUT_END = [
    f"{TURNS}{TURNS}{END}{END}",
    f"{TURNS}{TURNS}{{{{ i }}}}{END}{END}",
    "{% macro f(n) %}{% if n < 60 %}{{ f(n+1) }}{{ f(n+1) }}{% endif %}{% endmacro %}{{ f(0) }}",
    "{% for i in range(10) recursive %}{{ loop(range(10)) if loop.depth < 40 }}{% endfor %}",
    "{% for i in [1] recursive %}{{ loop(range(100000)) if loop.depth < 3 }}{% endfor %}",
    "{% for a in messages[0].content %}{% for b in messages[0].content %}{% endfor %}{% endfor %}",
    f"{TURNS}{{% for m in messages[0].content.split() %}}{END}{END}",
    f"{{% set x %}}{TURNS}{{{{ messages[0].content }}}}{END}{{% endset %}}",
    f"{{% macro f() %}}{TURNS}{{{{ messages[0].content }}}}{END}{{% endmacro %}}{{{{ f() | length }}}}",
    f"{{% filter upper %}}{TURNS}{{{{ messages[0].content }}}}{END}{{% endfilter %}}",
    f"{{% set x %}}{TURNS}{'abc' * 3000}{END}{{% endset %}}",
    *(
        f"{TURNS}{{% set x = {expression} %}}{END}"
        for expression in (
            "messages[0].content.upper()",
            "messages[0].content | title",
            "messages[0].content | wordcount",
            "messages[0].content | unique | list",
            "messages[0].content | int",
            "messages[0].content | e",
            "messages[0].content[1:]",
            "messages[0].content ~ i",
            "messages[0].content + 'a'",
            "messages[0].content | replace('x', 'y')",
            "messages[0].content.split('x')",
            "messages[0].content is lower",
            "'zz' in messages[0].content",
            "messages[0].content == messages[1].content",
            "messages | tojson",
            "messages | tojson(indent=2)",
            "messages | string",
            "range(100000) | list",
            "range(100000) | map('string') | join",
            "99999.5 in (range(100000) | list)",
            "(range(100000) | list).index(99999)",
            "'%s' % messages[0].content",
            "'{}'.format(messages[0].content)",
        )
    ),
]
TOO_LONG = [
    "{{ messages[0].content * 100000 }}",
    "{{ 100000000 * messages[0].content }}",
    "{{ [1] * 100000000 }}",
    "{{ messages[0].content.encode() * 100000 }}",
    "{{ 10 ** 100000 }}",
    "{{ (10 ** 60) ** 60 }}",
    "{% set n = namespace(s='xx') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
    "{% set n = namespace(s='xx') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
    "{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
    "{% set n = namespace(s=3) %}{% for i in range(99) %}{% set n.s = n.s * n.s %}{% endfor %}",
    "{% set n = namespace(s='xx') %}{% for i in range(99) %}{% set x %}{{ n.s }}{{ n.s }}{% endset %}"
    "{% set n.s = x %}{% endfor %}",
    "{{ '%999999999s' % 'x' }}",
    "{{ '%.999999999f' % 1.5 }}",
    "{{ '%*d' % (999999999, 1) }}",
    "{{ ('%(a)s' * 100000) % {'a': messages} }}",
    "{{ '%999999999s' | format('x') }}",
    "{{ '{:>999999999}'.format('x') }}",
    "{{ '{:{w}}'.format('x', w=999999999) }}",
    "{{ '{:{w}}'.format('x', w='999999999') }}",
    "{{ '{x:>999999999}'.format_map({'x': 1}) }}",
    "{{ ('{:>999999999}' | safe).format('x') }}",
    "{{ ('{0}' * 1000).format(messages) }}",
    "{{ 'x'.center(999999999) }}",
    "{{ 'x'.ljust(999999999) }}",
    "{{ 'x'.zfill(999999999) }}",
    "{{ 'x' | center(999999999) }}",
    "{{ messages[0].content | indent(999999999) }}",
    "{{ messages[0].content | indent(messages[0].content) }}",
    "{{ messages[0].content.replace('x', messages[0].content) }}",
    "{{ messages[0].content | replace('x', messages[0].content) }}",
    "{{ messages[0].content.join(messages[0].content) }}",
    "{{ messages[0].content | join(messages[0].content) }}",
    "{{ ('\\t' * 100000).expandtabs(100000) }}",
    "{{ messages[0].content.translate({120: messages[0].content}) }}",
    "{{ (1).to_bytes(999999999, 'big') }}",
    "{{ messages[0].content.encode('punycode') }}",
    "{{ 1 | round(999999999, 'ceil') }}",
    "{{ [1] | batch(999999999, 1) | list }}",
    "{{ [1] | slice(999999999) | list }}",
    "{{ messages | tojson(indent=999999999) }}",
    "{{ messages | tojson(indent=messages[0].content) }}",
    "{{ ('<!--x-->' * 100000) | striptags }}",
    "{{ ('a.com ' * 100000) | urlize }}",
    "{{ ([[1]] * 1000000) | sum(start=[]) }}",
    f"{TURNS}{{{{ messages[0].content }}}}{END}",
]


def refusal(source: str, messages: Any = MESSAGES) -> str:
    with pytest.raises(InvalidRequest) as caught:
        ChatTemplate(source, {}).render(messages)
    assert "xx" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("source", WITHOUT_END)
def test_work_without_end(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_budget, "MAX_WORK", 2**25)
    started = time.thread_time()
    assert "has too much to do with these messages" in refusal(source)
    assert time.thread_time() - started < 3.0


@pytest.mark.parametrize("source", TOO_LONG)
def test_text_without_end(source: str) -> None:
    started = time.thread_time()
    assert "makes a prompt of more than 33554432 characters" in refusal(source)
    assert time.thread_time() - started < 3.0


@pytest.mark.long
@pytest.mark.parametrize("source", WITHOUT_END)
def test_work_without_end_takes_seconds_at_most(source: str) -> None:
    started = time.thread_time()
    assert "has too much to do with these messages" in refusal(source) or "of more than" in refusal(source)
    assert time.thread_time() - started < 4 * template_budget.MAX_SECONDS


def test_where_the_price_is_wrong_the_time_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_budget, "MAX_WORK", 2**60)
    monkeypatch.setattr(template_budget, "MAX_SECONDS", 0.05)
    assert "has too much to do" in refusal(f"{TURNS}{TURNS}{END}{END}")


def test_a_deep_value_is_not_written_out_in_blanks() -> None:
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    messages = [{"role": "user", "content": [deep] * 200}]
    assert "of more than" in refusal("{{ messages | tojson(indent=4) }}", messages)


def test_each_rendering_has_its_own_budget() -> None:
    template = ChatTemplate("{% for m in messages %}{{ m.content }}{% endfor %}", {})
    for _ in range(20):
        assert template.render(MESSAGES) == "".join(message["content"] for message in MESSAGES)


def test_a_long_chat_takes_a_small_part_of_it() -> None:
    source = (
        "{% for m in messages %}{% if m.role == 'user' %}{{ '<|user|>' + m.content | trim ~ eos }}"
        "{% elif loop.index0 > messages | length - 3 %}{{ m.content.split('</think>')[-1] }}{% endif %}{% endfor %}"
    )
    messages = [{"role": "user", "content": "some words " * 200}] * 2000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(template_budget, "MAX_WORK", template_budget.MAX_WORK // 16)
        assert len(ChatTemplate(source, {}).render(messages)) > 4_000_000
