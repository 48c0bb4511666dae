from __future__ import annotations

from typing import Annotated

import msgspec
import pytest

from djl_trtllm.schemas.chat import Body
from djl_trtllm.schemas.kinds import Ignored, says, whole
from djl_trtllm.schemas.messages import Message
from djl_trtllm.schemas.openai_parameters import StreamOptions
from djl_trtllm.schemas.rules import markdown, rules


class Base(msgspec.Struct, kw_only=True):
    last: Annotated[str, says("a text", "Comes last.")] | None = None


class Own(Base, kw_only=True):
    first: Annotated[int, whole(1, 5, "Comes first.")] | None = None
    nothing: Ignored = None


def test_own_fields_come_first() -> None:
    assert list(rules(Own)) == ["first", "nothing", "last"]
    assert rules(Own)["first"].allowed == "a whole number from 1 to 5"


def test_tables_have_no_inherited_rows() -> None:
    assert markdown(Own).splitlines() == [
        "| parameter | value | meaning |",
        "|---|---|---|",
        "| `first` | a whole number from 1 to 5 | Comes first. |",
        "",
        "Taken and without effect: `nothing`.",
    ]


@pytest.mark.parametrize(
    ("name", "inner"),
    [("messages", Message), ("stream_options", StreamOptions), ("stop", None), ("logit_bias", None)],
)
def test_structs_inside(name: str, inner: type[msgspec.Struct] | None) -> None:
    assert rules(Body)[name].inner is inner
