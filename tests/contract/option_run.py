"""Applies options to a row of the stand-in through the package's own code, and tells what the library was given.

The signatures are the row's, strictly; behind them stand models without weights, because what is looked at here is what
is passed, not what the library makes of it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from djl_trtllm.core import Checkpoint, CompiledModel
from djl_trtllm.engines.trtllm import convert, executor_config, gpt_manager, hf_config, llm_model, llm_open
from djl_trtllm.engines.trtllm.build_job import Job
from djl_trtllm.engines.trtllm.engine_files import EngineFacts
from djl_trtllm.engines.trtllm.families import family
from djl_trtllm.engines.trtllm.openings import Opening
from djl_trtllm.engines.trtllm.option_map import resolve
from djl_trtllm.engines.trtllm.option_rows import RUN_PLACES
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.options import explain, sources
from djl_trtllm.options.table import Options
from tests.contract.tensorrt_llm_stand_in import Recorder, generate, installed, shell, version
from tests.contract.tensorrt_llm_stand_in.shell import blank

_QUIET = ("tensorrt_llm.LLM", "tensorrt_llm.llmapi.LLM", "tensorrt_llm.bindings.GptManager")
"""What is only to be constructed here, and not to run."""

_LAYERS, _KV_HEADS, _HEAD = 2, 4, 64


@dataclass(slots=True)
class Outcome:
    """What came of options: values the library was given, by `Place.argument`; lines that were said; refusals."""

    values: dict[str, object] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class _Model:
    """Stands behind every model class: no weights, only what a build writes."""

    made: Any = None

    @staticmethod
    def from_hugging_face(context: Any, **bound: Any) -> Any:
        return _Model._blank(context)

    @staticmethod
    def from_checkpoint(context: Any, **bound: Any) -> Any:
        return _Model._blank(context)

    @staticmethod
    def quantize(context: Any, **bound: Any) -> None:
        target = Path(bound["output_dir"])
        for rank in range(bound["mapping"].world_size):
            (target / f"rank{rank}.safetensors").touch()
        content = {"quantization": {"kv_cache_quant_algo": "FP8"}}
        (target / "config.json").write_text(json.dumps(content), encoding="utf-8")

    @staticmethod
    def _blank(context: Any) -> Any:
        config = SimpleNamespace(set_rank=lambda rank: None)
        model = blank(context.cls, {})
        model._values["config"] = config
        behind = SimpleNamespace(get_other=lambda name: config)
        object.__setattr__(model, "_behaviour", behind)
        _Model.made = config
        return model


def _build(context: Any, **bound: Any) -> Any:
    return SimpleNamespace(save=lambda *, engine_dir: None)


@contextmanager
def row(name: str) -> Iterator[Recorder]:
    """Install a row, with models that have no weights behind its conversion and its builder."""
    real = shell.behaviour_of

    def behaviour_of(symbol: str) -> Any:
        if symbol.startswith("tensorrt_llm.models.") and symbol.count(".") == 2:
            return _Model
        if symbol in ("tensorrt_llm.builder.build", "tensorrt_llm.commands.build.build_model"):
            return _build
        return None if symbol in _QUIET else real(symbol)

    def set_attribute(self: Any, name: str, value: Any) -> None:
        original(self, name, value)
        self._library.recorder.add(self._spec.symbol, "__setattr__", {name: value})

    original = shell.Shell.__setattr__
    with (
        mock.patch.object(shell.Shell, "__setattr__", set_attribute),
        mock.patch.object(shell, "behaviour_of", behaviour_of),
        mock.patch.object(generate, "behaviour_of", behaviour_of),
        installed(name) as recorder,
    ):
        yield recorder


def run(
    row_name: str,
    recorder: Recorder,
    settings: Mapping[str, str],
    config: Mapping[str, object],
    ranks: int,
    scratch: Path,
) -> Outcome:
    """Resolve and apply options for one checkpoint: convert, build, and configure the batch manager."""
    options = sources.read(dict(settings), {})
    release = Release.of(version(row_name))
    checkpoint = Checkpoint(scratch, str(config["model_type"]), config, "org/model")
    outcome = Outcome(said=explain.notes(options, "trtllm"))
    resolved = resolve(options, release, checkpoint, ranks)
    outcome.said += resolved.notes
    outcome.problems += resolved.problems
    if resolved.problems:
        return outcome
    recorder.calls.clear()
    build = {place: dict(values) for place, values in resolved.arguments.items() if place not in RUN_PLACES}
    _convert(build, checkpoint, scratch, outcome, recorder)
    patched = hf_config.spelled_for(hf_config.patched(config, build.get("config.json", {})), release)
    outcome.values |= {f"config.json.{name}": value for name, value in patched.items()}
    recorder.calls.clear()
    _configure(options, release, ranks, build, checkpoint, scratch, outcome, recorder)
    return outcome


def run_pytorch(
    row_name: str,
    recorder: Recorder,
    settings: Mapping[str, str],
    config: Mapping[str, object],
    scratch: Path,
) -> Outcome:
    """Resolve and apply options for the LLM API."""
    options = sources.read(dict(settings), {})
    release = Release.of(version(row_name))
    outcome = Outcome(said=explain.notes(options, "trtllm-pytorch"))
    (scratch / "config.json").write_text(json.dumps(config), encoding="utf-8")
    model = CompiledModel(scratch, "org/model")
    resolved = resolve(options, release, llm_model.read(model), 1, runtime="trtllm-pytorch")
    outcome.said += resolved.notes
    outcome.problems += resolved.problems
    if resolved.problems:
        return outcome
    recorder.calls.clear()
    llm_open.open_llm(llm_model.describe(model, options, release, resolved))
    for call in recorder.calls:
        if call.method == "__init__":
            _take(outcome, call.name, call.arguments)
    return outcome


def _convert(
    arguments: dict[str, dict[str, object]],
    checkpoint: Checkpoint,
    scratch: Path,
    outcome: Outcome,
    recorder: Recorder,
) -> None:
    quantised = scratch / "quantised" if "quantize" in arguments else None
    job = Job(
        source=str(checkpoint.path),
        out=str(scratch / "out"),
        origin=checkpoint.origin,
        architecture=family(checkpoint).map_key,
        rank=0,
        arguments=arguments,
        quantised=str(quantised) if quantised else None,
        calibration=str(scratch / "calibration_cnn_dailymail") if quantised else None,
    )
    if quantised is not None:
        shutil.rmtree(quantised, ignore_errors=True)
        convert.quantise(job)
        written = json.loads((quantised / "config.json").read_bytes())["quantization"]["kv_cache_quant_algo"]
        outcome.values["checkpoint.quantization.kv_cache_quant_algo"] = written
    convert.build(job, convert.model(job))
    given = vars(_Model.made)
    outcome.values |= {f"model.config.{name}": value for name, value in given.items() if name != "set_rank"}
    for call in recorder.calls:
        if call.name in ("QuantConfig", "Mapping", "BuildConfig") and call.method == "__init__":
            _take(outcome, call.name, call.arguments)
        elif call.method in ("from_hugging_face", "quantize"):
            _take(outcome, call.method, call.arguments)
            outcome.values["class"] = call.name
        elif call.name == "PluginConfig" and call.method == "__setattr__":
            _take(outcome, call.name, call.arguments)
        elif call.name in ("build", "build_model"):
            plugins = call.arguments["build_config"]["plugin_config"]
            kept = {name: value for name, value in outcome.values.items() if name.startswith("PluginConfig.")}
            assert kept.items() <= {f"PluginConfig.{name}": value for name, value in plugins.items()}.items()


def _configure(
    options: Options,
    release: Release,
    ranks: int,
    build: Mapping[str, Mapping[str, object]],
    checkpoint: Checkpoint,
    scratch: Path,
    outcome: Outcome,
    recorder: Recorder,
) -> None:
    facts = _facts(options, build, release, checkpoint, scratch)
    resolved = resolve(options, release, None, ranks, architecture=facts.architecture)
    assert not resolved.problems
    places, notes = executor_config.fitted(resolved, facts)
    assert notes == []
    if (release.major, release.minor) < (0, 9):
        opening = Opening(facts, release, places)
        gpt_manager.construct(CompiledModel(scratch, "org/model"), opening, *[lambda *_: None] * 4)
    else:
        import tensorrt_llm.bindings.executor as bindings

        team: Any = SimpleNamespace(rank=0, size=ranks)
        executor_config.executor_config(bindings, places, team, 8)
    for call in recorder.calls:
        if call.method in ("__init__", "__setattr__"):
            _take(outcome, call.name, call.arguments)


def _facts(
    options: Options,
    build: Mapping[str, Mapping[str, object]],
    release: Release,
    checkpoint: Checkpoint,
    scratch: Path,
) -> EngineFacts:
    pretrained = {
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _KV_HEADS,
        "hidden_size": _KV_HEADS * _HEAD,
        "dtype": "float16",
    }
    place = scratch / "engine"
    if not place.exists():
        place.mkdir()
        (place / "config.json").write_text(json.dumps({"pretrained_config": pretrained}), encoding="utf-8")
    limits = build["BuildConfig"]
    mapping = build["Mapping"]
    return EngineFacts(
        path=place,
        version=str(release),
        architecture=family(checkpoint).map_key,
        dtype="float16",
        vocab_size=32000,
        world_size=mapping["world_size"],  # type: ignore[arg-type]
        tp_size=mapping["tp_size"],  # type: ignore[arg-type]
        pp_size=mapping["pp_size"],  # type: ignore[arg-type]
        max_input_len=limits["max_input_len"],  # type: ignore[arg-type]
        max_seq_len=options.max_input_len + options.max_output_len,
        max_batch_size=limits["max_batch_size"],  # type: ignore[arg-type]
        max_beam_width=limits["max_beam_width"],  # type: ignore[arg-type]
        max_num_tokens=limits["max_num_tokens"],  # type: ignore[arg-type]
        plugins=build["PluginConfig"],
    )


def _take(outcome: Outcome, place: str, values: Mapping[str, object]) -> None:
    outcome.values |= {f"{place}.{name}": value for name, value in values.items()}
