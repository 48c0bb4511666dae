"""Chat templates, rendered as transformers renders them, but bounded.

A template comes with a model and runs in jinja2's immutable sandbox. What messages can make it do is bounded: turns of
loops and calls, the length of whatever it makes, and that of the whole prompt.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import jinja2
from jinja2 import ext, nodes, parser

from djl_trtllm.errors import ArtifactError, InvalidRequest
from djl_trtllm.text import template_budget as budget
from djl_trtllm.text import template_growth as growth
from djl_trtllm.text.template_sandbox import Sandbox

MAX_SOURCE = 2**20
"""Characters of a template; those that models bring have some thousands. Compiling one takes time in proportion."""

_SHOWN = 200


class _Refused(jinja2.TemplateError):
    """The template called `raise_exception`."""


class _GenerationBlock(ext.Extension):
    """`{% generation %}` marks what the assistant says, for training. Here it is a plain block."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: parser.Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


def _raise_exception(message: object) -> NoReturn:
    raise _Refused(str(message))


def _strftime_now(format: str) -> str:  # noqa: A002
    return datetime.datetime.now().strftime(format)


def _tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # jinja2's own filter escapes for HTML, which no model has seen.
    return growth.tojson(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _sandbox() -> Sandbox:
    made = Sandbox([_GenerationBlock, ext.loopcontrols])
    made.filters["tojson"] = _tojson
    made.globals.update(raise_exception=_raise_exception, strftime_now=_strftime_now)
    made.put_prices()
    return made


class ChatTemplate:
    """One model's template. `special_tokens` maps names such as bos_token to strings the template may use."""

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        self._special_tokens = dict(special_tokens)
        if len(source) > MAX_SOURCE:
            raise ArtifactError(
                f"The model's chat template has {len(source)} characters; at most {MAX_SOURCE} are taken."
            )
        try:
            with budget.rendering():  # what is constant is worked out now
                self._template = _sandbox().from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise ArtifactError(
                f"The model's chat template is not valid Jinja: line {error.lineno}: {error.message}"
            ) from error
        except Exception as error:  # nested too deeply for jinja2 or for Python, or a constant without end
            raise ArtifactError(
                f"The model's chat template cannot be compiled ({type(error).__name__}). Use another one."
            ) from error

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        documents: Sequence[Mapping[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        **more: object,
    ) -> str:
        """Return the prompt. `more` are further variables; they win over special tokens.

        Raises InvalidRequest when the template refuses the messages, cannot work with them, or says too much.
        """
        variables: dict[str, object] = {
            **self._special_tokens,
            **more,
            "messages": messages,
            "tools": tools,
            "documents": documents,
            "add_generation_prompt": add_generation_prompt,
        }
        try:
            with budget.rendering():
                return self._bounded(variables)
        except budget.TooLong:
            raise InvalidRequest(
                f"The chat template makes a prompt of more than {budget.MAX_PROMPT} characters of these messages."
            ) from None
        except budget.TooMuch:
            raise InvalidRequest(
                "The chat template has too much to do with these messages; send fewer or shorter ones."
            ) from None
        except (_Refused, jinja2.UndefinedError) as error:
            reason = " ".join(str(error).split())[:_SHOWN]
            raise InvalidRequest(f"The model's chat template refuses these messages: {reason}") from None
        except Exception as error:
            # Only the kind: what an exception inside a template says may quote the messages.
            raise InvalidRequest(
                f"The model's chat template cannot be filled in with these messages ({type(error).__name__}); "
                "check their roles and that every content is text."
            ) from None

    def _bounded(self, variables: Mapping[str, object]) -> str:
        length, parts = 0, []
        for part in self._template.generate(variables):
            length += len(part)
            budget.fits(length)
            parts.append(part)
        return "".join(parts)
