"""Two small OpenVINO models made by hand: a vocabulary, and a language model that always has the same logits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

_HEAD = 8
"""Numbers in a key, a value and a hidden state: the fewest that attention on a CPU takes (8 observed)."""


def vocabulary(tokens: Sequence[bytes]) -> Any:
    """Return a detokenizer model of tokens that are exactly these bytes."""
    import numpy as np
    import openvino as ov
    from openvino import opset13 as ops
    from openvino_tokenizers import _get_factory, _get_opset_factory  # type: ignore[import-untyped]

    ends = np.fromiter(accumulate(map(len, tokens)), np.int32, len(tokens))
    begins = np.concatenate([np.zeros(1, np.int32), ends[:-1]])
    characters = np.frombuffer(b"".join(tokens) or b"\0", np.uint8)
    ids = ops.parameter(ov.PartialShape([-1, -1]), ov.Type.i64)
    tables = [ops.constant(table).output(0) for table in (begins, ends, characters)]
    decode = _get_factory().create(
        "VocabDecoder", [ops.convert(ids, "i32").output(0), *tables], {"skip_tokens": []}
    )
    *ragged, text = decode.outputs()
    fused = _get_factory().create("FuzeRagged", ragged).outputs()
    packed = _get_opset_factory("opset15").create("StringTensorPack", [*fused, text]).outputs()
    packed[0].get_tensor().set_names({"string_output"})
    return ov.Model(packed, [ids], "detokenizer")


def model(logits: Sequence[float]) -> Any:
    """Return a model with one attention layer whose logits are `logits`, whatever it is given.

    The pipeline turns attention over a KV cache into its own paged attention, and takes no model without any.
    """
    import numpy as np
    import openvino as ov
    from openvino import opset13 as ops

    ids, mask, positions = (
        _input(name, [-1, -1], ov.Type.i64) for name in ("input_ids", "attention_mask", "position_ids")
    )
    beams = _input("beam_idx", [-1], ov.Type.i32)
    zero, axis = ops.constant(np.float32(0)), ops.constant(np.int64(0))
    # Positions and mask must have users, or the pipeline finds inputs it does not know what to do with.
    unmoved = ops.multiply(ops.convert(ops.unsqueeze(positions, ops.constant(np.int64(2))), "f32"), zero)
    rows = ops.gather(
        ops.constant(np.ones((1, _HEAD), np.float32)),
        ops.convert(ops.multiply(ids, ops.constant(np.int64(0))), "i32"),
        ops.constant(np.int32(0)),
    )
    hidden = ops.add(rows, unmoved)
    swap = ops.constant(np.array([0, 2, 1, 3], np.int64))
    batch = ops.gather(ops.shape_of(ids), ops.constant(np.array([0], np.int64)), axis)
    nothing = ops.broadcast(zero, ops.concat([batch, ops.constant(np.array([1, 0, _HEAD], np.int64))], 0))
    writes = []

    def heads() -> Any:
        weights = ops.constant(np.eye(_HEAD, dtype=np.float32))
        split = ops.constant(np.array([0, 0, 1, _HEAD], np.int64))
        return ops.transpose(ops.reshape(ops.matmul(hidden, weights, False, False), split, True), swap)

    def cached(what: str) -> Any:
        name = f"past_key_values.0.{what}present.0.{what}"
        past = ops.read_value(nothing, name, ov.Type.f32, ov.PartialShape([-1, 1, -1, _HEAD]))
        whole = ops.concat([ops.gather(past, beams, axis), heads()], 2)
        writes.append(ops.assign(whole, name))
        return whole

    first = ops.constant(np.int64(1))
    seen = ops.multiply(ops.unsqueeze(ops.unsqueeze(ops.convert(mask, "f32"), first), first), zero)
    attended = ops.scaled_dot_product_attention(heads(), cached("key"), cached("value"), seen, causal=False)
    merge = ops.constant(np.array([0, 0, _HEAD], np.int64))
    # All ones: attention averages values that are ones.
    ones = ops.reshape(ops.transpose(attended, swap), merge, True)
    weights: Any = np.zeros((_HEAD, len(logits)), np.float32)
    weights[0] = logits
    result = ops.matmul(ones, ops.constant(weights), False, False)
    result.output(0).get_tensor().set_names({"logits"})
    return ov.Model([ops.result(result)], writes, [ids, mask, positions, beams], "guide")


def _input(name: str, shape: list[int], kind: Any) -> Any:
    import openvino as ov
    from openvino import opset13 as ops

    made = ops.parameter(ov.PartialShape(shape), kind, name=name)
    made.output(0).get_tensor().set_names({name})
    return made
