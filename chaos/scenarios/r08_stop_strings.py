"""R8: a stop string is met wherever it stands, whatever it is cut into, as by an oracle that sees the whole text.

At every offset of texts over every kind of tokenizer; random ones, several at once, some not there; and a few through
everything between DJL's wire and an engine, where the text must be the one without stop strings, cut off.
"""

from __future__ import annotations

import random

from chaos.figure import Figure, exactly
from chaos.scale import Scale
from tests.rolling_batch.stop_checks import mismatches, mismatches_at_offsets, stopped
from tests.support.loop import Rig, rig

FAULT = "stop strings at every offset, in any cut, of several tokenizers"
SEED = 8
BATCH = 32


def run(scale: Scale) -> list[Figure]:
    """Count what differs: four in five at every offset, one in fifty over the wire."""
    cases = scale.of(full=100_000, quick=5_000, smallest=500)
    at_offsets, over_wire = cases * 4 // 5, max(cases // 50, 60)
    drawn = cases - at_offsets - over_wire
    return [
        exactly(
            "R8.mismatches_at_offsets",
            FAULT,
            mismatches_at_offsets(at_offsets, SEED),
            0,
            "cases",
            f"of {at_offsets:,}",
        ),
        exactly(
            "R8.mismatches",
            FAULT,
            mismatches(drawn, SEED),
            0,
            "cases",
            f"of {drawn:,}, each cut in three ways",
        ),
        exactly("R8.mismatches_over_the_wire", FAULT, _over_wire(over_wire), 0, "cases", f"of {over_wire:,}"),
    ]


def _over_wire(cases: int) -> int:
    dice, wrong, done = random.Random(SEED), 0, 0
    with rig(log_requests="off") as made:
        while done < cases:
            prompt = f"the fox {done}"
            (whole,) = _texts(made, prompt, [None])
            whole = whole[:BATCH]
            offsets = range(len(whole))
            parts = (whole[at : at + dice.randint(1, 6)] for at in offsets)
            stops = [part for part in parts if "\0" not in part]  # which is refused
            for stop, text in zip(stops, _texts(made, prompt, stops), strict=True):
                wrong += text != stopped(whole, [stop], keep=False)[0]
            done += len(stops)
    return wrong


def _texts(made: Rig, prompt: str, stops: list[str] | list[None]) -> list[str]:
    parameters = ({"max_new_tokens": 40, **({"stop": [stop]} if stop else {})} for stop in stops)
    clients = [made.java.send({"inputs": prompt, "parameters": one}) for one in parameters]
    made.java.run(clients)
    return [str(client.lines[0]["generated_text"]) for client in clients]
