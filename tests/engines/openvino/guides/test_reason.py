"""Reasons for clients quote nothing of a guide. The messages are the library's (OpenVINO GenAI 2026.4.1)."""

from __future__ import annotations

import pytest

from djl_trtllm.engines.openvino.guides.reason import reason

AT = "[04:39:56] /home/x/xgrammar-src/cpp/regex_converter.cc:75: "


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            AT + "Regex parsing error at position 3: The parenthesis is not closed.\n",
            "at character 3 of its expression: a parenthesis is not closed",
        ),
        (AT + "Regex parsing error at position 7: Cannot read secret\n", "at character 7 of its expression"),
        (
            AT + 'EBNF parser error at line 1, column 10: Rule "secret" is not defined',
            "at line 1, column 10: a rule is not defined",
        ),
        (
            AT + 'EBNF parser error at line 2, column 1: Rule "secret" is defined multiple times',
            "at line 2, column 1: a rule is defined twice",
        ),
        (AT + "EBNF lexer error at line 1, column 6: Unexpected character: 's'", "at line 1, column 6"),
        (
            AT + "Check failed: Failed to parse JSON: syntax error at line 4 near: secret",
            "it is not JSON, at line 4",
        ),
        (AT + 'Unsupported type "secret"', "a type in it is not one of JSON's"),
        (
            AT + 'Schema should be an object or bool, but got "secret"',
            "it or a part of it is neither an object nor true",
        ),
        (AT + "Cannot find field secret in {...}", "a $ref in it leads nowhere"),
        (AT + "secret of another kind", ""),
    ],
)
def test_reasons(message: str, said: str) -> None:
    assert reason(message) == said
