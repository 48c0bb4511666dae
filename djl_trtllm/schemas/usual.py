"""The short way for the usual request: another prompt with parameters that came before, spelled the same.

Applications send one prompt after another with the same parameters. What a request becomes depends on its prompt and
its seed in those two places only, so the rest is remembered by the bytes around the prompt, once these have come twice.
The short way takes a body whole or not at all: whatever is not as expected is left to the schema, which says what is
wrong.
"""

from __future__ import annotations

import dataclasses
import random
import re
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from djl_trtllm.core import SEED_MASK, Prompt, Request, SamplingParams
from djl_trtllm.schemas.careful import UNREADABLE

MAX_KNOWN = 256
MAX_AROUND = 1024
"""So many spellings are remembered, none of them longer than so many bytes."""

_BEGINS = b'{"inputs"'
_BEFORE = re.compile(_BEGINS + rb"\s*:\s*")
_text = msgspec.json.Decoder(str).decode
_SAMPLING = [field.name for field in dataclasses.fields(SamplingParams)]
_SEED = _SAMPLING.index("seed")
_sampling = attrgetter(*_SAMPLING)
_rest = attrgetter(*[field.name for field in dataclasses.fields(Request)][2:])

Around = tuple[bytes, bytes, str]
"""A body before and after its prompt, and the header Accept that came with it."""


@dataclass(slots=True)
class _Known:
    """A request but for its prompt; never changed once made.

    `before` and `after` are what stands around the seed in `SamplingParams`; `sampling` is there where the client has
    sent the seed. `rest` is what stands behind the sampling in `Request`.
    """

    sampling: SamplingParams | None
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    rest: tuple[Any, ...]


class UsualRequests:
    """What is remembered of one model's requests in LMI's schema. Used by several threads."""

    def __init__(self) -> None:
        self._known: dict[Around, _Known] = {}
        self._seen: set[int] = set()

    def find(self, body: bytes, accept: str, seed: int | None) -> Request | None:
        """Return the request in `body` where only its prompt is new."""
        if not body.startswith(_BEGINS):
            return None
        start, end = _prompt(body)
        if start + len(body) - end > MAX_AROUND:
            return None
        if body.__class__ is not bytes:  # a bytearray
            body = bytes(body)
        known = self._known.get((body[:start], body[end:], accept))
        if known is None:
            return None
        try:
            text = _text(body[start:end])  # fails where this is more than one text
        except UNREADABLE:
            return None
        # Looking for a null is slow where half of the bytes of other characters are null; counting is not.
        if not text or ("\0" in text if text.isascii() else text.count("\0")):
            return None
        sampling = known.sampling
        if sampling is None:
            seed = random.getrandbits(63) if seed is None else seed & SEED_MASK
            values: tuple[Any, ...] = (*known.before, seed, *known.after)
            sampling = SamplingParams(*values)
        return Request([Prompt(text)], sampling, *known.rest)

    def remember(self, body: bytes, accept: str, request: Request, *, seeded: bool) -> None:
        """Keep what became of a body that its schema has taken, when its like comes for the second time.

        `seeded` says that the seed is the client's.
        """
        body = bytes(body)
        start, end = _prompt(body)
        around = (body[:start], body[end:], accept)
        seen = hash(around)
        if seen not in self._seen:
            if len(self._seen) >= MAX_KNOWN:
                self._seen.clear()
            self._seen.add(seen)
            return
        if sum(map(len, around)) > MAX_AROUND or request.listed or not _BEFORE.fullmatch(around[0]):
            return
        if not _reads(body[start:end], request.prompts[0].text):
            return
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        values = _sampling(request.sampling)
        self._known[around] = _Known(
            request.sampling if seeded else None, values[:_SEED], values[_SEED + 1 :], _rest(request)
        )


def _reads(raw: bytes, text: str) -> bool:
    """Whether bytes are one text of JSON, this one."""
    try:
        return _text(raw) == text
    except UNREADABLE:
        return False


def _prompt(body: bytes) -> tuple[int, int]:
    """Return where the prompt begins and ends, quotation marks included, if it is the one text before `parameters`."""
    # Quotation marks inside of texts have a backslash before them, so `"parameters"` is the name or ends a text.
    return body.find(b'"', len(_BEGINS)), body.rfind(b'"', 0, body.rfind(b'"parameters"')) + 1
