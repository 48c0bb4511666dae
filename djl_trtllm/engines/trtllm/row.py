"""A row of a map from options to the library's arguments, and how rows are applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from djl_trtllm.engines.trtllm.families import Minor
from djl_trtllm.engines.trtllm.situation import Situation

Places = dict[str, dict[str, object]]


class Left(Enum):
    """What a row's value can be besides a value."""

    OUT = "the argument is not passed, and who set the option is told"
    SAME = "what is asked for holds anyway"


Value = Callable[[Situation], object]


@dataclass(frozen=True, slots=True)
class Row:
    """One option from release `since` to before `until`.

    An empty name is for what no option decides. `to` are the arguments it becomes, as `Place.argument`; `value` makes
    what is passed (default: the option's value), or a `Left`. `how` describes that value for people. Where nothing is
    passed although the option is set, `note` says what holds instead, or `refusal` why it cannot be.
    """

    option: str
    to: tuple[str, ...] = ()
    since: Minor = (0, 8)
    until: Minor = (99, 0)
    value: Value | None = None
    note: str = ""
    how: str = ""
    refusal: str = ""

    def covers(self, release: Minor) -> bool:
        """Whether the row is for a release."""
        return self.since <= release < self.until


def option(name: str) -> Value:
    """The option's own value."""
    return lambda s: getattr(s.options, name)


def only(condition: Callable[[Situation], bool], value: Value) -> Value:
    """`value` where the condition holds, else nothing."""
    return lambda s: value(s) if condition(s) else Left.OUT


def apply(
    rows: Iterable[Row],
    s: Situation,
    used: Callable[[str], bool],
    places: Places,
    notes: list[str],
    problems: list[str],
) -> None:
    """Put into `places` what the rows make of the options, for the places that are `used`; say what was left out."""
    for row in rows:
        if not row.covers(s.minor):
            continue
        value = row.value(s) if row.value is not None else getattr(s.options, row.option)
        targets = [
            (place, name) for place, _, name in (text.rpartition(".") for text in row.to) if used(place)
        ]
        if row.to and (not targets or not isinstance(value, Left)):
            for place, name in targets:
                places.setdefault(place, {})[name] = value
        elif row.option and s.is_set(row.option) and value is not Left.SAME:
            if row.refusal:
                problems.append(f"{s.said(row.option)} {row.refusal}.")
            elif row.note:
                notes.append(f"{s.said(row.option)} {row.note}.")
