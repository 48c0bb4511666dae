"""`Engine` and `EngineConfig`: the directory that a build leaves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours import pretrained_config
from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour
from tests.contract.tensorrt_llm_stand_in.engine_directory import RankFile, rank_path
from tests.contract.tensorrt_llm_stand_in.library import Library
from tests.contract.tensorrt_llm_stand_in.recorder import plain
from tests.contract.tensorrt_llm_stand_in.shell import blank

ENGINE = "tensorrt_llm.builder.Engine"
ENGINE_CONFIG = "tensorrt_llm.builder.EngineConfig"


@behaviour(ENGINE)
class Engine:
    """`engine` are the bytes of the rank's file."""

    def __init__(self, context: Context, *, config: Any, engine: Any, managed_weights: Any = None) -> None:
        self.config, self.engine = config, engine
        self.managed_weights = managed_weights or {}
        self._context = context

    def save(self, *, engine_dir: str) -> None:
        """Write the rank's file, and config.json on rank 0 only; a `lora/` that is there is removed on every rank."""
        directory, config = Path(engine_dir), self.config.to_dict()
        rank = config["pretrained_config"]["mapping"]["rank"]
        directory.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(directory / "lora", ignore_errors=True)
        if rank == 0:
            text = json.dumps(config, indent=4, default=str)
            (directory / "config.json").write_text(text, encoding="utf-8")
        path = rank_path(directory, rank)
        path.write_bytes(self.engine[: len(self.engine) // 2])
        self._context.trip("save", rank)
        path.write_bytes(self.engine)

    @classmethod
    def from_dir(cls, context: Context, *, engine_dir: str, rank: int = 0) -> Any:
        directory = Path(engine_dir)
        values = json.loads((directory / "config.json").read_bytes())
        values["pretrained_config"]["mapping"]["rank"] = rank
        return _engine(context.library, values, rank_path(directory, rank).read_bytes())


@behaviour(ENGINE_CONFIG)
class EngineConfig:
    """What config.json holds."""

    def __init__(self, context: Context, *, pretrained_config: Any, build_config: Any, version: str) -> None:
        self.pretrained_config, self.build_config, self.version = pretrained_config, build_config, version
        self.settled: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        build = plain(self.build_config) if self.settled is None else self.settled
        return {
            "version": self.version,
            "pretrained_config": self.pretrained_config.to_dict(),
            "build_config": build,
        }

    @classmethod
    def from_json_file(cls, context: Context, *, config_file: str) -> Any:
        return _config(context.library, json.loads(Path(config_file).read_bytes()))


@behaviour("tensorrt_llm.builder.get_engine_version")
def get_engine_version(context: Context, *, engine_dir: str) -> str | None:
    """Return the version that built an engine, None for engines older than the unified layout."""
    values = json.loads((Path(engine_dir) / "config.json").read_bytes())
    return values.get("version")


def made(
    library: Library, pretrained: dict[str, Any], build: dict[str, Any], build_config: Any, file: RankFile
) -> Any:
    """Return the engine of a build."""
    if library.minor < (0, 9):
        mapping = pretrained["mapping"]
        pretrained = {**pretrained, **{name: mapping[name] for name in ("world_size", "tp_size", "pp_size")}}
    values = {"version": library.version, "pretrained_config": pretrained, "build_config": build}
    return _engine(library, values, file.encode(), build_config)


def _engine(library: Library, values: dict[str, Any], data: bytes, build_config: Any = None) -> Any:
    config = _config(library, values, build_config)
    return _wrapped(library, ENGINE, Engine, config=config, engine=data)


def _config(library: Library, values: dict[str, Any], build_config: Any = None) -> Any:
    pretrained = pretrained_config.made(library, values["pretrained_config"])
    given = {"pretrained_config": pretrained, "build_config": build_config, "version": values["version"]}
    shell = _wrapped(library, ENGINE_CONFIG, EngineConfig, **given)
    behind = getattr(shell, "_behaviour", shell)
    behind.settled = values["build_config"]
    return shell


def _wrapped(library: Library, symbol: str, implementation: Any, **values: Any) -> Any:
    """Return an object of the row, or the behaviour alone where the row does not describe the class (0.8.0)."""
    cls = library.symbols.get(symbol)
    if cls is None:
        return implementation(Context(library, symbol), **values)
    shell = blank(cls, {})
    object.__setattr__(shell, "_behaviour", implementation(Context(library, symbol, cls, shell), **values))
    return shell
