"""What options come to for one version of TensorRT-LLM: arguments by the place that takes them, notes, problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Arguments = Mapping[str, Mapping[str, object]]
"""Values by place and name, for example `{"BuildConfig": {"max_input_len": 1024}}`.

A place is the library's own name of what takes the value: `from_hugging_face` or, where calibration is needed,
`quantize`; `QuantConfig`, `Mapping` (without the rank), `BuildConfig`, `PluginConfig`, `ExecutorConfig`,
`KvCacheConfig`, `SchedulerConfig`, `TrtGptModelOptionalParams`, `ExtendedRuntimePerfKnobConfig`, `GptManager`, `LLM`,
`LLM.KvCacheConfig`, `LLM.SchedulerConfig`, `LLM.model_kwargs`. Besides them:

- `config.json`: what the checkpoint's must say before the library reads it; None removes a key.
- `checkpoint`: what the config.json of a quantised checkpoint must say, by dotted key, before an engine is built of it.
- `calibration`: `dataset` (None for the text that comes with the package) and `samples`, for `quantize`.
- `model.config`: attributes of the converted model, set before `build`.
- `KvCache`: `max_bytes`, of which `KvCacheConfig.max_tokens` is made when the engine is known.

Values are JSON; a member of an enum is its name.
"""


@dataclass(frozen=True, slots=True)
class Resolved:
    """`notes` are one line each for the log, saying what holds instead; with `problems` nothing can be built."""

    arguments: Arguments
    notes: Sequence[str] = ()
    problems: Sequence[str] = field(default=())

    def at(self, place: str) -> Mapping[str, object]:
        """Return the arguments of one place."""
        return self.arguments.get(place, {})
