"""Calls are found in every form, whatever the pieces they come in, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from djl_trtllm.formats.tool_call import ToolCall
from djl_trtllm.formats.tool_calls import FreeCalls, NamedCall, Parser

F, G = ToolCall("f", '{"a": 1}'), ToolCall("g", "{}")


def parsed(text: str, *cuts: int, parser: Parser | None = None) -> list[str | ToolCall]:
    """What a text comes to, fed in pieces that end at `cuts`, its text parts joined."""
    parser = parser or FreeCalls()
    found, at = [], 0
    for cut in (*sorted(cuts), len(text)):
        found += parser.feed(text[at:cut])
        at = max(at, cut)
    found += parser.finish()
    joined: list[str | ToolCall] = []
    for part in found:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return joined


CALLS = [
    ('<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>', [F]),
    ('<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>', [F]),
    ('<tool_call>{"name":"f","arguments":{"a":1}}</tool_call>\n<tool_call>{"name":"g"}</tool_call>', [F, G]),
    ('<tool_call>[{"name":"f","arguments":{"a":1}},{"name":"g","arguments":{}}]</tool_call>', [F, G]),
    ('<tool_call>\n{"name":"f","arguments":{"a":1}}\n{"name":"g"}\n</tool_call>', [F, G]),
    ('<tool_call>{"name":"f","arguments":{"a":1}}', [F]),
    ('Let me see.\n<tool_call>{"name":"f","arguments":{"a":1}}</tool_call>', ["Let me see.", F]),
    ('<tool_call>{"name":"g"}</tool_call>\n\nDone.', [G, "\n\nDone."]),
    (
        '<tool_call>{"name":"f","arguments":{"a":"</tool_call> \\" }"}}</tool_call>',
        [ToolCall("f", '{"a": "</tool_call> \\" }"}')],
    ),
    ('{"name": "f", "parameters": {"a": 1}}', [F]),
    (' {"type": "function", "name": "f", "parameters": {"a": 1}}; {"name": "g", "parameters": {}}', [F, G]),
    ('{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}', [F]),
    ('<|python_tag|>{"name": "f", "parameters": {"a": 1}}', [F]),
    ('<|python_tag|>{"name": "f", "parameters": {"a": 1}}; {"name": "g", "parameters": {}}', [F, G]),
    ('[TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]', [F, G]),
    ('Text [TOOL_CALLS]f[ARGS]{"a": 1}', ["Text", F]),
    ('[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[CALL_ID]a1B2c3D4e[ARGS]{}', [F, G]),
    ('[{"name": "f", "arguments": {"a": 1}}]', [F]),
    ('[{"name": "f", "parameters": {"a": 1}}, {"name": "g", "parameters": {}}]', [F, G]),
    ("[f(a=1), g()]", [F, G]),
    (
        "[a.b(x='it\\'s', y=[1.5, -2, None], z={'k': True,}, t=(1,))]",
        [ToolCall("a.b", '{"x": "it\'s", "y": [1.5, -2, null], "z": {"k": true}, "t": [1]}')],
    ),
    ('[f(a="[(" )]', [ToolCall("f", '{"a": "[("}')]),
    (
        '<tool_call>{"name":"f","arguments":{"ä":"\\ud800"}}</tool_call>',
        [ToolCall("f", '{"\\u00e4": "\\ud800"}')],
    ),
]

PROSE = [
    "",
    " \n",
    "Hello, world.\n",
    "a < b and <tool",
    "<tool_call>",
    "<tool_call>no</tool_call>",
    '<tool_call>{"name": 1, "arguments": {}}</tool_call>',
    '<tool_call>{"name": "f", "arguments": [1]}</tool_call>',
    '<tool_call>{"name": "f", "arguments": {"a": NaN}}</tool_call>',
    '<tool_call>{"name": "f", "arguments": {"a": 1e999}}</tool_call>',
    '<tool_call>{"name": "f", "arguments": {"a": 1}',
    '<tool_call>{"name": "\\ud800", "arguments": {}}</tool_call>',
    '<tool_call>{"name": "f", "arguments": ' + '{"a":' * 5000 + "1" + "}" * 5000 + "}</tool_call>",
    "<tool_call>{]</tool_call>",
    '{"name": "Ada"}',
    '{"answer": {"name": "f", "arguments": {}}}',
    "{ }",
    "{",
    "[1, 2, 3]",
    "[",
    "[]",
    "[f(1)]",
    "[f(a=b)]",
    "[f(a=1)",
    "[f(a=__import__('os').system('x'))]",
    "[f(a=" + "[" * 100 + "]" * 100 + ")]",
    "[f (x) of y](http://z)",
    "[TOOL_CALLS]",
    "[TOOL_CALLS]f[ARGS]",
    "[TOOL_CALLS]f[ARGS]{",
    '[TOOL_CALLS]f[ARGS]{"a"}',
    "[TOOL_CALLS]f[ARGS]{]",
    "[TOOL_CALLS]" + "f" * 300 + "[ARGS]{}",
    "[TOOL_CALLS] hello",
    "[TOOL_CALLS][1]",
    'Call {"name": "f", "arguments": {}}',
    "See [f(a=1)]",
]


@pytest.mark.parametrize(("text", "expected"), CALLS)
def test_calls(text: str, expected: list[str | ToolCall]) -> None:
    assert parsed(text) == expected
    assert parsed(text, *range(len(text))) == expected


@pytest.mark.parametrize("text", PROSE)
def test_what_is_no_call_stays_text(text: str) -> None:
    expected = [text] if text else []
    assert parsed(text) == expected
    assert parsed(text, *range(len(text))) == expected


def test_a_call_behind_a_mistake() -> None:
    assert parsed('<tool_call>{"a" <tool_call>{"name":"g"}</tool_call>') == ['<tool_call>{"a"', G]
    assert parsed('{"name": 1}<tool_call>{"name":"g"}</tool_call>') == ['{"name": 1}', G]


def test_text_is_held_back_only_while_it_could_begin_a_call() -> None:
    parser = FreeCalls()
    assert parser.feed("Well") == ["Well"]
    assert parser.feed(", 1 <") == [", 1"]
    assert parser.feed("2 <tool") == [" <2"]
    assert parser.feed("s> {") == [" <tools> {"]
    assert parser.feed('"name": "f"') == ['"name": "f"']
    parser = FreeCalls()
    assert parser.feed('{"na') == []
    assert "".join(map(str, parser.feed('tion": 1'))) == '{"nation": 1'
    assert FreeCalls().feed("[1") == ["[1"]
    assert FreeCalls().feed("[link](") == ["[link]("]


def test_many_mistakes_cost_no_more_than_a_few() -> None:
    text = '<tool_call>{"a":' * 20_000
    assert parsed(text) == [text]


def test_the_arguments_of_a_named_call() -> None:
    assert parsed(' {"a": 1.0} ', 3, parser=NamedCall("f")) == [ToolCall("f", '{"a": 1.0}')]
    for text in ('{"a": 1', "[1]", "no", ""):
        assert parsed(text, parser=NamedCall("f")) == ([text] if text else [])


PARTS = [
    *[text for text, _ in CALLS],
    *[text for text in PROSE if len(text) < 200],
    "<tool_call>",
    "</tool_call>",
    '{"name": "f", "arguments": {}}',
    "[TOOL_CALLS]",
    "f[ARGS]{}",
    "<|python_tag|>",
    ";",
    "\u2028",
    " ",
    "\n",
    "'",
    '"',
    "[",
    "{",
]


@given(
    text=st.lists(st.sampled_from(PARTS) | st.text(max_size=8), max_size=6).map("".join),
    data=st.data(),
)
@example(text="\u2028{", data=None)
def test_pieces_change_nothing(text: str, data: st.DataObject | None) -> None:
    whole = parsed(text)
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=10)) if data else range(len(text))
    assert parsed(text, *cuts) == whole
    assert parsed(text, *range(len(text))) == whole


MARKED = [
    case for case in CALLS if case[0].startswith(("<tool_call>", "[TOOL_CALLS]")) and case[1][0] in (F, G)
]
PIECES = st.sampled_from(MARKED) | st.text("ab ,.\n", min_size=1, max_size=6).map(lambda text: (text, [text]))


@given(pieces=st.lists(PIECES, max_size=8))
def test_nothing_is_lost(pieces: list[tuple[str, list[str | ToolCall]]]) -> None:
    joined: list[str | ToolCall] = []
    for _, parts in pieces:
        for part in parts:
            if isinstance(part, str) and joined and isinstance(joined[-1], str):
                joined[-1] += part
            else:
                joined.append(part)
    expected: list[str | ToolCall] = []
    for number, part in enumerate(joined):
        behind_call = number > 0
        before_call = number + 1 < len(joined)
        if isinstance(part, str):
            if before_call or (behind_call and not part.strip()):
                part = part.rstrip()
            if not part:
                continue
        expected.append(part)
    assert parsed("".join(text for text, _ in pieces)) == expected


@given(text=st.text('<tool_ca>/[]{}()"=:, \n\\', max_size=40))
def test_text_without_calls_is_the_text(text: str) -> None:
    found = parsed(text)
    assert all(isinstance(part, str) for part in found)
    assert "".join(map(str, found)) == text
