"""Stop strings against an oracle that sees the whole text at once."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from djl_trtllm.text.stops import StopMatcher

Stops = Sequence[str]
Result = tuple[str, "str | None"]


def oracle(text: str, stops: Stops, keep: bool) -> Result:
    """The text before the stop string that is complete first, and that stop string; the longest of several."""
    for end in range(1, len(text) + 1):
        complete = [stop for stop in stops if stop and text.endswith(stop, 0, end)]
        if complete:
            stop = max(complete, key=len)
            return text[: end if keep else end - len(stop)], stop
    return text, None


def run(pieces: Sequence[str], stops: Stops, keep: bool) -> Result:
    matcher, sent = StopMatcher(stops, keep), ""
    for number, piece in enumerate(pieces):
        safe, found = matcher.feed(piece)
        sent += safe
        given_so_far = "".join(pieces[: number + 1])
        if found:
            assert matcher.feed("more") == ("", True)
            assert matcher.flush() == ""
            return sent, matcher.matched
        if keep:
            assert sent == given_so_far
        else:
            assert_only_beginnings_are_held(given_so_far[len(sent) :], given_so_far, stops)
    assert matcher.matched is None
    return sent + matcher.flush(), None


def assert_only_beginnings_are_held(held: str, text: str, stops: Stops) -> None:
    ends = [n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n])]
    assert len(held) == max(ends, default=0)


def cut(text: str, at: Sequence[int]) -> list[str]:
    borders = [0, *sorted(n % (len(text) + 1) for n in at), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(borders)]


few_letters = st.text("ab", max_size=30) | st.text("abc\n😀", max_size=30)
some_stops = st.lists(st.text("ab", max_size=6) | st.text("abc\n😀", max_size=5), max_size=20)


@settings(deadline=None)
@given(text=few_letters, stops=some_stops, at=st.lists(st.integers(0, 30), max_size=12), keep=st.booleans())
def test_oracle(text: str, stops: list[str], at: list[int], keep: bool) -> None:
    assert run(cut(text, at), stops, keep) == oracle(text, stops, keep)


@settings(deadline=None)
@given(text=st.text(max_size=40), keep=st.booleans(), data=st.data())
def test_parts_of_the_text_itself(text: str, keep: bool, data: st.DataObject) -> None:
    slices = st.tuples(st.integers(0, len(text)), st.integers(1, 8)).map(lambda s: text[s[0] : s[0] + s[1]])
    stops = data.draw(st.lists(slices, max_size=4))
    at = data.draw(st.lists(st.integers(0, 40), max_size=10))
    assert run(cut(text, at), stops, keep) == oracle(text, stops, keep)


def mismatches(cases: int, seed: int) -> int:
    rng, wrong = random.Random(seed), 0
    for _ in range(cases):
        letters = rng.choice(("ab", "abc", "a", "xyz\n ", "ab日😀"))
        text = "".join(rng.choices(letters, k=rng.randint(0, 40)))
        shortest, most = rng.choice(((1, 4), (1, 2), (2, 9), (4, 30)))
        stops = [
            "".join(rng.choices(letters, k=rng.randint(shortest, 8))) for _ in range(rng.randint(1, most))
        ]
        pieces = cut(text, [rng.randint(0, 40) for _ in range(rng.randint(0, 20))])
        keep = rng.random() < 0.4
        wrong += run(pieces, stops, keep) != oracle(text, stops, keep)
    return wrong


def test_random_cases() -> None:
    assert mismatches(2_000, seed=1) == 0


@pytest.mark.long
def test_random_cases_at_length() -> None:
    assert mismatches(100_000, seed=2) == 0


def test_every_offset_and_cut() -> None:
    for before in range(12):
        text = "x" * before + "STOP" + "y" * 5
        for a in range(len(text) + 1):
            for b in range(a, len(text) + 1):
                pieces = [text[:a], text[a:b], text[b:]]
                assert run(pieces, ["STOP"], False) == ("x" * before, "STOP")
                assert run(pieces, ["STOP"], True) == ("x" * before + "STOP", "STOP")


@pytest.mark.parametrize(
    ("text", "stops", "result"),
    [
        ("one END two", ["END"], ("one ", "END")),
        ("aaab", ["aab"], ("a", "aab")),
        ("abcd", ["abcd", "c"], ("ab", "c")),
        ("xabc", ["bc", "abc"], ("x", "abc")),
        ("ab then abc", ["abc", "ab"], ("", "ab")),
        ("\n\nHuman:", ["\n\nHuman:", "\n\n"], ("", "\n\n")),
        ("never", ["x"], ("never", None)),
        ("never", ["", ""], ("never", None)),
        ("👩‍👩‍👧", ["👧"], ("👩‍👩‍", "👧")),
    ],
)
def test_rules(text: str, stops: list[str], result: Result) -> None:
    assert run([text], stops, False) == run(list(text), stops, False) == result
    kept = result[0] + (result[1] or "")
    assert run([text], stops, True) == run(list(text), stops, True) == (kept, result[1])


def test_text_is_released_as_soon_as_it_cannot_be_a_stop() -> None:
    matcher = StopMatcher(["<|end|>"])
    assert [matcher.feed(t) for t in ("a<", "|e", "n", "x<|")] == [
        ("a", False),
        ("", False),
        ("", False),
        ("<|enx", False),
    ]
    assert matcher.flush() == "<|"
    assert matcher.flush() == ""


def test_a_kept_stop_string_holds_nothing_back() -> None:
    matcher = StopMatcher(["<|end|>"], keep=True)
    assert [matcher.feed(t) for t in ("a<", "|e", "n", "x<|end", "|>cut")] == [
        ("a<", False),
        ("|e", False),
        ("n", False),
        ("x<|end", False),
        ("|>", True),
    ]
    assert matcher.matched == "<|end|>"


HUNDREDS = [f" the quick brown {word}" * 40 for word in range(500)]


@pytest.mark.parametrize(
    ("stops", "piece"),
    [
        (HUNDREDS, " the quick brown"),
        (["a" * 1000 + chr(n) for n in range(0x4E00, 0x4E00 + 500)], "aaaa"),
        (["a" * n + "b" for n in range(1, 1000)], "aaaa"),
        (["ab" * 500 + "c", "ba" * 500 + "c"], "abab"),
    ],
)
def test_many_long_stop_strings_cost_little(stops: list[str], piece: str) -> None:
    """Several microseconds a character. Looking for each of them in each piece takes a hundred times as long."""
    matcher, started = StopMatcher(stops), time.thread_time()
    for _ in range(2000):
        matcher.feed(piece)
    assert time.thread_time() - started < 1.0
