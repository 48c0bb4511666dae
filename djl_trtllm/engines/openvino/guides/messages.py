"""What the process that checks guides and its parent tell each other: one class per message, msgpack arrays.

The parent sends one `Start`, gets `Ready`, and then one `Verdict` for each `Check`, one after the other.
"""

from __future__ import annotations

import msgspec

from djl_trtllm.engines.openvino.messages import Bound

GOOD, MALFORMED, DEAD_END, NO_MEMORY = range(4)
"""`Verdict.kind`: it can be enforced; the library does not understand it; there is a place in it where no token fits;
memory ran out over it."""


class Start(msgspec.Struct, array_like=True, tag="start", frozen=True):
    """Construct the probe from its directory. `memory` is in bytes, for all that is allocated from then on."""

    probe: str
    stop_ids: list[int]
    memory: int


class Ready(msgspec.Struct, array_like=True, tag="ready", frozen=True):
    """The probe can be asked."""


class Check(msgspec.Struct, array_like=True, tag="check", frozen=True):
    """Ask whether answers can be bound to this."""

    guide: Bound


class Verdict(msgspec.Struct, array_like=True, tag="verdict", frozen=True):
    """The answer. `reason` completes a sentence and quotes nothing of the guide."""

    kind: int
    reason: str = ""


ToChild = Start | Check
ToParent = Ready | Verdict

encode = msgspec.msgpack.Encoder().encode
decode_to_child = msgspec.msgpack.Decoder(ToChild).decode
decode_to_parent = msgspec.msgpack.Decoder(ToParent).decode
