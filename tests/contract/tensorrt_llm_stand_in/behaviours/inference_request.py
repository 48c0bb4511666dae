"""`bindings.InferenceRequest` of 0.8: a request as torch tensors, checked when they are set.

Names, dtypes and shapes as the manager reads them (`fillLlmRequest`); it would refuse most of them only then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours import checks, jobs
from tests.contract.tensorrt_llm_stand_in.behaviours.limits import Limits
from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour
from tests.contract.tensorrt_llm_stand_in.behaviours.request_job import bias, clipped

Shape = tuple[int | None, ...]

TENSORS: dict[str, tuple[str, Shape]] = {
    "input_ids": ("int32", (1, None)),
    "draft_input_ids": ("int32", (1, None)),
    "draft_logits": ("float32", (1, None, None)),
    "max_new_tokens": ("int32", (1, 1)),
    "beam_width": ("int32", (1,)),
    "end_id": ("int32", (1,)),
    "pad_id": ("int32", (1,)),
    "bad_words_list": ("int32", (1, 2, None)),
    "stop_words_list": ("int32", (1, 2, None)),
    "embedding_bias": ("float", (1, None)),
    "temperature": ("float32", (1,)),
    "runtime_top_k": ("int32", (1,)),
    "runtime_top_p": ("float32", (1,)),
    "length_penalty": ("float32", (1,)),
    "repetition_penalty": ("float32", (1,)),
    "min_length": ("int32", (1,)),
    "presence_penalty": ("float32", (1,)),
    "frequency_penalty": ("float32", (1,)),
    "random_seed": ("int64", (1,)),
    "return_log_probs": ("bool", (1,)),
    "return_context_logits": ("bool", (1,)),
    "return_generation_logits": ("bool", (1,)),
    "prompt_embedding_table": ("float16", (None, None)),
    "prompt_vocab_size": ("int32", (1,)),
    "lora_weights": ("float16", (None, None)),
    "lora_config": ("int32", (None, 3)),
}
"""Dtype and shape of each tensor; None is any length, float the type of the engine's logits."""

IN_A_MAP = {"request_output_len": "max_new_tokens", "len_penalty": "length_penalty"}
"""Names in a tensor map that differ from the attribute's."""

SAMPLING = {
    "runtime_top_k": "top_k",
    "runtime_top_p": "top_p",
    "random_seed": "seed",
    "temperature": "temperature",
    "length_penalty": "length_penalty",
    "repetition_penalty": "repetition_penalty",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}


@behaviour("tensorrt_llm.bindings.InferenceRequest")
class InferenceRequest:
    """Holds the tensors that were set."""

    def __init__(self, context: Context, *, arg0: int, arg1: Any = None) -> None:
        if not 0 <= arg0 < 2**64:
            raise TypeError(f"InferenceRequest: incompatible constructor arguments: {arg0}")
        self.request_id = arg0
        self.tensors: dict[str, Any] = {}
        self._streaming = False
        for name, tensor in (arg1 or {}).items():
            own = IN_A_MAP.get(name, name)
            if own not in TENSORS or name in IN_A_MAP.values():
                raise checks.failed(f"Invalid tensor name: {name}")
            check_tensor(own, tensor)
            self.tensors[own] = tensor

    @property
    def is_streaming(self) -> bool:
        return self._streaming

    @is_streaming.setter
    def is_streaming(self, value: bool) -> None:
        if type(value) is not bool:
            raise TypeError(f"is_streaming: incompatible function arguments: {value!r}")
        self._streaming = value

    def plain(self) -> dict[str, Any]:
        """Return the request's values for the record of calls."""
        values = {name: tensor.tolist() for name, tensor in self.tensors.items()}
        return {**values, "is_streaming": self._streaming, "request_id": self.request_id}

    def scalar(self, name: str) -> Any:
        """Return the one value of a tensor, None where it is not set."""
        tensor = self.tensors.get(name)
        return None if tensor is None else tensor.item()

    def words(self, name: str) -> list[list[int]]:
        """Return the words of a list: row 0 holds their ids one after the other, row 1 where each ends, then -1."""
        if name not in self.tensors:
            return []
        ids, ends = self.tensors[name][0].tolist()
        told = [end for end in ends if end >= 0]
        if ends[len(told) :] != [-1] * (len(ends) - len(told)) or not told or told[-1] > len(ids):
            raise checks.failed(f"{name} has ends that do not fit its ids")
        words = [ids[start:end] for start, end in zip([0, *told], told, strict=False)]
        if any(not word or min(word) < 0 for word in words):
            raise checks.failed(f"{name} has an empty word")
        return words

    def job(self, limits: Limits) -> jobs.Job:
        """Return what the manager makes of it. Raises RuntimeError or `Refused` for what it does not take."""
        for name in ("input_ids", "max_new_tokens"):
            if name not in self.tensors:
                raise checks.failed(f"Failed to get value from tensor: {name}")
        sampling = {name: self.scalar(tensor) for tensor, name in SAMPLING.items()}
        width = self.scalar("beam_width")
        width = 1 if width is None else width
        known = {**sampling, "min_length": self.scalar("min_length"), "beam_width": width}
        if known["top_p"] == 0.0:
            known["top_p"] = None
        checks.check(known, checks.SAMPLING)
        if width > 1 and self.is_streaming:
            raise checks.failed("Streaming mode is only supported with beam width of 1.")
        prompt = self.tensors["input_ids"][0].tolist()
        if not prompt or min(prompt) < 0:
            raise checks.failed("input_ids has no tokens or a negative one")
        wanted = self.scalar("max_new_tokens")
        if wanted <= 0:
            raise checks.failed(f"max_new_tokens must be > 0, got {wanted}")
        if limits.max_output_len is not None:
            wanted = min(wanted, limits.max_output_len)
        end_id = self.scalar("end_id")
        biased = self.tensors.get("embedding_bias")
        return jobs.Job(
            id=self.request_id,
            prompt=prompt,
            max_tokens=clipped(prompt, wanted, width, limits),
            strands=jobs.strands(prompt, sampling, beam_width=width),
            beam_width=width,
            end_id=-1 if end_id is None else end_id,
            min_tokens=self.scalar("min_length") or 0,
            stop_words=self.words("stop_words_list"),
            bad_words=self.words("bad_words_list"),
            bias=bias(None if biased is None else biased[0], limits.vocab_size, limits.logits_dtype),
            streaming=self.is_streaming,
            extra=self,
        )


def check_tensor(name: str, tensor: Any) -> None:
    """Raise for what is no tensor of the dtype and shape that `name` has."""
    dtype, shape = TENSORS[name]
    if not hasattr(tensor, "dtype") or not hasattr(tensor, "tolist"):
        raise TypeError(
            f"{name}: incompatible function arguments: {type(tensor).__name__} is no torch.Tensor"
        )
    if str(tensor.dtype) != f"torch.{dtype}" and not (dtype == "float" and tensor.is_floating_point()):
        raise TypeError(f"{name} must be a torch.{dtype}, not {tensor.dtype}")
    if not _fits(tuple(tensor.shape), shape):
        raise checks.failed(f"Invalid shape for {name}: {list(tensor.shape)}, expected {list(shape)}")


def _fits(actual: Sequence[int], wanted: Shape) -> bool:
    return len(actual) == len(wanted) and all(w in (None, a) for a, w in zip(actual, wanted, strict=True))


def _property(name: str) -> property:
    def read(self: InferenceRequest) -> Any:
        return self.tensors.get(name)

    def write(self: InferenceRequest, tensor: Any) -> None:
        check_tensor(name, tensor)
        self.tensors[name] = tensor

    return property(read, write)


for _name in TENSORS:
    setattr(InferenceRequest, _name, _property(_name))
