"""What options come to for one version of TensorRT-LLM: arguments by the place that takes them, notes, problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Arguments = Mapping[str, Mapping[str, object]]
"""Values by place and name, for example `{"BuildConfig": {"max_input_len": 1024}}`.

A place is the library's own name of what takes the value: `from_hugging_face`, `quantize`, `QuantConfig`, `Mapping`,
`BuildConfig`, `PluginConfig`, `ExecutorConfig`, `KvCacheConfig`, `SchedulerConfig`, `TrtGptModelOptionalParams`,
`ExtendedRuntimePerfKnobConfig`, `GptManager`, `LLM`, `LLM.KvCacheConfig`, `LLM.SchedulerConfig`; besides them
`config.json`, which is patched before the library reads it. Values are JSON; a member of an enum is its name.
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
