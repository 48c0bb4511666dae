"""A step's replies as items of DJL's wire: in Python, or in machine code where that was built.

`_items.pyx` makes the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from djl_trtllm.rolling_batch.slot import Replies, Reply

__all__ = ["Frames", "in_python", "items"]


@dataclass(frozen=True, slots=True)
class Frames:
    """What stands around the text of an item in mid-stream.

    `heads` has what comes before a text of as many bytes, for short ones, which nearly all are; `more` comes after any.
    `idle` is a whole item without text.
    """

    heads: Sequence[bytes]
    more: bytes
    idle: bytes


def in_python(
    replies: Replies, frames: Frames, odd: Callable[[str], bytes], special: Callable[[int, Reply], bytes]
) -> list[bytes]:
    """Return an item for each reply.

    `odd` makes that of a text which is long, or not all characters; `special` that of a `Reply` at an index.
    """
    heads, more, idle, join = frames.heads, frames.more, frames.idle, b"".join
    made: list[bytes] = []
    add = made.append
    for reply in replies:
        if isinstance(reply, str):
            try:
                data = reply.encode()
                add(join((heads[len(data)], data, more)))
            except (UnicodeEncodeError, IndexError):
                add(odd(reply))
        elif reply is None:
            add(idle)
        else:
            add(special(len(made), reply))
    return made


try:
    from djl_trtllm.rolling_batch._items import items
except ModuleNotFoundError:
    items = in_python
