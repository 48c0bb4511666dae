"""What is examined: a model directory with its properties, the environment, and what they come to.

Everything is read once and lazily, so that a check which needs one thing does not fail over another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.compile.manifest import Manifest
from djl_trtllm.compile.plan import key
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.compile.store import Store
from djl_trtllm.core import Checkpoint, CompiledModel, Plan
from djl_trtllm.doctor import djl_version, places, reading
from djl_trtllm.doctor.djl_version import DjlVersion
from djl_trtllm.doctor.places import Place
from djl_trtllm.doctor.question import Question
from djl_trtllm.doctor.reading import Read
from djl_trtllm.engines import registry
from djl_trtllm.engines.base import Runtime
from djl_trtllm.engines.registry import Machine
from djl_trtllm.errors import LoadError, ModelNotFound, OptionsError
from djl_trtllm.local import properties
from djl_trtllm.options.places import exists, expanded, is_directory
from djl_trtllm.options.table import Options

if TYPE_CHECKING:
    from djl_trtllm.engines.estimate import Estimate

FILE = "serving.properties"
BROUGHT = "config.pbtxt"
"""The file in which a model brings option values of its own."""


class Subject:
    """One model directory on one machine."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.environ = question.environ
        self.root = question.root
        self.release = question.release
        path = expanded(question.named)
        self.directory = path.absolute() if is_directory(path) else None
        if self.directory is None and (exists(path) or path.is_absolute() or question.named[:1] in ".~"):
            raise ModelNotFound(
                f"{question.named} is not a directory. Name a directory, a hub id or an s3:// address."
            )

    @cached_property
    def text(self) -> str:
        """The text of serving.properties, "" where there is none."""
        file = self.directory / FILE if self.directory else None
        return file.read_text(encoding="utf-8", errors="replace") if file and file.is_file() else ""

    @cached_property
    def pairs(self) -> Mapping[str, str]:
        """What serving.properties says; for a hub id or an address, that this is the model."""
        if self.directory is None:
            return {"option.model_id": self.question.named}
        return properties.parse(self.text)

    @cached_property
    def properties(self) -> Mapping[str, object]:
        """What DJL hands to the handler: what is set as `option.<name>`, else as OPTION_<NAME>, by its name."""
        variables = {k.removeprefix("OPTION_").lower(): v for k, v in self.environ.items() if _is_option(k)}
        options = {k.removeprefix("option."): v for k, v in self.pairs.items() if k.startswith("option.")}
        return {**variables, **options, "model_dir": str(self.directory or ".")}

    @cached_property
    def djl(self) -> DjlVersion | None:
        """The DJL-Serving that is asked for, or that is installed here."""
        return self.question.djl or djl_version.installed(self.root)

    def given(self, name: str, variable: str | None = None) -> str:
        """Return a property as DJL sees it: of the command line, of serving.properties, of OPTION_*, of a variable."""
        for said in (f"option.{name}", name):
            for pairs in (self.question.options, self.pairs):
                if value := pairs.get(said, "").strip():
                    return value
        return (self.environ.get(f"OPTION_{name.upper()}") or self.environ.get(variable or "") or "").strip()

    @cached_property
    def mpi(self) -> bool:
        """Whether DJL starts ranks with mpirun."""
        return self.given("engine").upper() == "MPI" or self.given("mpi_mode").lower() == "true"

    @cached_property
    def _first(self) -> Read:
        """The options as they are before the model brings any of its own."""
        return reading.read(self.properties, self.environ, self.question.options, None)

    @cached_property
    def _last(self) -> Read:
        model = self.place.model
        if not isinstance(model, CompiledModel) or not model.options:
            return self._first
        return reading.read(self.properties, self.environ, self.question.options, (BROUGHT, model.options))

    @property
    def options(self) -> Options:
        """The options, those left out that are wrong."""
        return self._last.options

    @property
    def wrong(self) -> tuple[str, ...]:
        """What is wrong with them, as a load would say it."""
        return self._last.problems

    @cached_property
    def machine(self) -> Machine:
        """The TensorRT-LLM and the GPUs here."""
        return Machine.here()

    @cached_property
    def ranks(self) -> int:
        """How many ranks DJL would start: one each for tensor and pipeline parallel parts under MPI."""
        if self.question.ranks is not None:
            return self.question.ranks
        if not self.mpi:
            return 1
        stages = self.options.pipeline_parallel_degree
        return self.options.tensor_parallel(len(self.machine.devices) // stages) * stages

    @cached_property
    def choice(self) -> tuple[str, Runtime | None, tuple[str, ...]]:
        """The runtime's name, itself where it could run here, and what stands against it."""
        if self.release is not None:
            return registry.runtime_for(self.options, self.release), None, ()
        try:
            runtime = registry.choose(self.options, self.ranks)
        except OptionsError as error:
            return self._meant, None, tuple(error.problems)
        return runtime.name, runtime, ()

    @property
    def _meant(self) -> str:
        """The runtime that the options mean here, be it possible or not."""
        name, machine = self.options.runtime, self.machine
        if name != "auto" or not machine.devices or machine.release is None:
            return "openvino" if name == "auto" else name
        return registry.runtime_for(self.options, machine.release)

    @property
    def runtime_name(self) -> str:
        """The runtime that would be taken."""
        return self.choice[0]

    @cached_property
    def place(self) -> Place:
        """Where the model is on this machine, if it is."""
        return places.find(self._first.options, self.environ)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The model where it is a whole checkpoint on this machine."""
        return self.place.model if isinstance(self.place.model, Checkpoint) else None

    @property
    def compiled(self) -> CompiledModel | None:
        """The model where it is compiled already, by whomever."""
        return self.place.model if isinstance(self.place.model, CompiledModel) else None

    @cached_property
    def tokenizer(self) -> tuple[Path | None, bool]:
        """Where option.tokenizer is on this machine, and whether it would have to be fetched."""
        return places.tokenizer(self.options, self.environ)

    @cached_property
    def settings(self) -> CacheSettings:
        """What the options say of the cache. DJL starts Python in the model directory."""
        named = self.options.cache_dir
        place = str((self.directory or Path()) / expanded(named)) if named else None
        return CacheSettings.of(replace(self.options, cache_dir=place), self.environ)

    @cached_property
    def plan(self) -> Plan | None:
        """What a build would depend on; None where nothing is built, or it cannot be told here.

        Reads every file of the checkpoint. Raises `LoadError` where the runtime refuses it.
        """
        runtime, checkpoint = self.choice[1], self.checkpoint
        if runtime is None or checkpoint is None or self.question.quick or self.tokenizer[1]:
            return None
        return runtime.plan(checkpoint, self._placed, self.ranks)

    @property
    def _placed(self) -> Options:
        """The options with what they name where it is on this machine."""
        base, tokenizer = self.directory or Path(), self.tokenizer[0]
        texts = self.options.calib_dataset
        return replace(
            self.options,
            tokenizer=self.options.tokenizer if tokenizer is None else str(tokenizer),
            calib_dataset=None if texts is None else str(base / expanded(texts)),
            cache_dir=str(self.settings.root),
            # Planning would make the directory, to remember digests there.
            cache=self.options.cache if self.settings.root.is_dir() else "off",
        )

    @property
    def as_found(self) -> Options:
        """The options with a model that was fetched before named by its directory."""
        snapshot = self.place.snapshot
        return self.options if snapshot is None else replace(self.options, model_id=str(snapshot))

    @cached_property
    def estimate(self) -> Estimate | None:
        """What the model takes here; None where that cannot be told. Raises `LoadError` for a damaged model."""
        runtime, model = self.choice[1], self.place.model
        if runtime is None or model is None:
            return None
        return runtime.estimate(model, self.options, self.ranks)

    @property
    def planned(self) -> Plan | None:
        """The plan, None too where the runtime refuses the model."""
        try:
            return self.plan
        except LoadError:
            return None

    @cached_property
    def hit(self) -> Manifest | None:
        """What the cache holds for the plan."""
        if self.planned is None or self.settings.mode != "use":
            return None
        return Store(self.settings.root).find(key(self.planned))

    @property
    def local(self) -> Path | None:
        """The directory of the model where it is on this machine, whole or not."""
        if self.place.snapshot is not None:
            return self.place.snapshot
        named = expanded(self.options.model_id or ".")
        base = self.directory or Path()
        return next((path for path in (base / named, named) if is_directory(path)), None)


def _is_option(variable: str) -> bool:
    return variable.startswith("OPTION_") and len(variable) > len("OPTION_")
