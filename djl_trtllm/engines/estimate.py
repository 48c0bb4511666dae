"""What a model will take on this machine, before anything of it is loaded: memory, disk, time.

Each runtime makes an `Estimate` by its own rules (`Runtime.estimate`). Sizes of weights and of the KV cache are
arithmetic; what a compilation takes is rough, and a span of time says what it rests on.
"""

from __future__ import annotations

from dataclasses import dataclass

HOST = "memory"
GPU = "each GPU"


@dataclass(frozen=True, slots=True)
class Span:
    """So many seconds at least and at most, and what that rests on. `low` is what a fast machine takes."""

    low: float
    high: float
    why: str


@dataclass(frozen=True, slots=True)
class Compiling:
    """What compiling takes at its peak, in bytes: memory of the host, and room where compiled models are kept."""

    host_bytes: int
    disk_bytes: int
    seconds: Span


@dataclass(frozen=True, slots=True)
class KvCache:
    """The KV cache on each device. `tokens` is None where the memory that it is a share of is not known.

    `source` names the option or rule that set its size; `per_token` is in bytes.
    """

    per_token: float
    tokens: int | None
    source: str

    @property
    def bytes(self) -> int | None:
        """Its size."""
        return None if self.tokens is None else int(self.tokens * self.per_token)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One model on one runtime. Bytes are on each device: `GPU` means one of `devices`, `HOST` this machine.

    `weights` says of what type they are there, as `bf16` or `int4`; `working_bytes` is for what computing needs
    besides weights and KV cache. `request_tokens` are those of the longest request that the options allow. `kv` is
    None where the model's config.json does not say enough. `total_bytes` and `free_bytes` are what a device has, None
    where that is not known. `compiling` is None where nothing is to be compiled.
    """

    device: str
    devices: int
    weights: str
    parameters: int | None
    weights_bytes: int
    working_bytes: int
    kv: KvCache | None
    request_tokens: int
    total_bytes: int | None
    free_bytes: int | None
    compiling: Compiling | None
    loading: Span

    @property
    def concurrent(self) -> int | None:
        """How many of the longest requests the KV cache holds at once; None where that is not known."""
        if self.kv is None or self.kv.tokens is None:
            return None
        return self.kv.tokens // max(self.request_tokens, 1)

    @property
    def needed_bytes(self) -> int:
        """What has to be free on each device for the weights, computing, and one of the longest requests."""
        one = 0 if self.kv is None else int(self.kv.per_token * self.request_tokens)
        return self.weights_bytes + self.working_bytes + one

    @property
    def missing_bytes(self) -> int:
        """By how much `needed_bytes` are over what is free; 0 where they fit or nothing is known."""
        return 0 if self.free_bytes is None else max(0, self.needed_bytes - self.free_bytes)
