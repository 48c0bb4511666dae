"""What DJL, and so whoever can set a request's property `handler`, finds in the entry point."""

from __future__ import annotations

import builtins
import types

import pytest
from djl_python.inputs import Input
from djl_python.outputs import Output

from djl_trtllm import handler, worker


def test_nothing_but_handle_can_be_called() -> None:
    assert {name for name, value in vars(handler).items() if callable(value)} == {"handle"}
    assert not any(
        issubclass(type(value), type(handler)) and callable(value) for value in vars(handler).values()
    )


@pytest.mark.parametrize(
    "name", sorted({*dir(handler), *dir(types.ModuleType), *dir(builtins), "_load", "Output"})
)
def test_no_name_leads_to_an_answer(name: str) -> None:
    """As djl_python looks it up. What is no `Output` is answered with a 424, by djl_python."""
    if name == "handle":
        return
    called = Input()
    called.properties.update(handler=name, model_id="any/thing", trust_remote_code="true")
    try:
        answer = getattr(handler, name)(called)
    except (AttributeError, TypeError):
        return
    assert not isinstance(answer, Output)


def test_handle_is_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_part", lambda inputs: inputs)
    one = Input()
    assert handler.handle(one) is one  # type: ignore[comparison-overlap]
