"""What to serve and how: the model server's half of DJL-Serving's configuration, done in Python.

Sources, first wins: the command line, `serving.properties`, then the environment (`HF_MODEL_ID`, `HF_REVISION`,
`TENSOR_PARALLEL_DEGREE`, `PIPELINE_PARALLEL_DEGREE`, `OPTION_*`), as DJL-Serving orders them. The merged options are
given to DJL's engine, which passes every one to the worker's load call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from djl_trtllm.errors import LoadError, ModelNotFound, OptionsError
from djl_trtllm.local import properties
from djl_trtllm.options import places

ENTRY_POINT = "djl_trtllm.handler"
PROPERTIES = "serving.properties"
DEFAULT_SLOTS = 32
"""DJL's own max_rolling_batch_size."""
LOADING_TIMEOUT = "1200"
"""Seconds, as the LMI containers set it: a first load compiles, and DJL's own 240 are short for that."""
ENGINES = {"python": "Python", "mpi": "MPI"}
HUB_ID = re.compile(r"[\w.-]+(?:/[\w.-]+)?")
ENVIRONMENT = {
    "HF_MODEL_ID": "option.model_id",
    "HF_REVISION": "option.revision",
    "HF_TASK": "option.task",
    "TENSOR_PARALLEL_DEGREE": "option.tensor_parallel_degree",
    "PIPELINE_PARALLEL_DEGREE": "option.pipeline_parallel_degree",
    "SERVING_JOB_QUEUE_SIZE": "job_queue_size",
    "SERVING_CHUNKED_READ_TIMEOUT": "chunked_read_timeout",
}


@dataclass(frozen=True, slots=True)
class Deployment:
    """One model to serve.

    `directory` is what DJL loads; `options` are all of its options, without the `option.` prefix. `slots` requests
    run at the same time, `queue_size` more may wait; `chunk_timeout` is in seconds.
    """

    directory: Path
    engine: str
    options: Mapping[str, str]
    slots: int
    queue_size: int
    chunk_timeout: float
    ranks: int


def deployment(
    model: str | None,
    scratch: Path,
    command_line: Mapping[str, str],
    environ: Mapping[str, str],
    gpus: int,
) -> Deployment:
    """Merge every source into a Deployment, making a model directory in `scratch` where `model` is not one.

    `model` is a directory with serving.properties, a directory that holds a model, a hub id, or an address in S3;
    None takes HF_MODEL_ID. `command_line` holds `engine`, `job_queue_size` and options, with or without the prefix.
    `gpus` is how many this machine has. Raises ModelNotFound or OptionsError.
    """
    wanted = model or environ.get("HF_MODEL_ID")
    if not wanted:
        raise ModelNotFound(
            "No model is given: name a directory, a hub id or an s3:// address, or set HF_MODEL_ID."
        )
    path = places.expanded(wanted)
    from_environment = _from_environment(environ)
    if places.is_file(path / PROPERTIES):
        directory = path.resolve()
        from_file = _read(path / PROPERTIES)
        if (directory / "config.json").exists():
            # Said outright, as the worker would take HF_MODEL_ID otherwise.
            from_file.setdefault("option.model_id", str(directory))
        elif model is None:
            from_environment.pop("option.model_id", None)
    else:
        from_file = {"option.model_id": _model_id(wanted, path)}
        directory = scratch / "model"
        directory.mkdir()
    merged = {**from_environment, **from_file, **{_full_name(k): v for k, v in command_line.items()}}
    if "engine" in command_line:
        merged.pop("option.mpi_mode", None)
    engine = _engine(merged)
    options = {k.removeprefix("option."): v for k, v in merged.items() if k.startswith("option.")}
    options.setdefault("rolling_batch", "auto")
    options.setdefault("model_loading_timeout", environ.get("MODEL_LOADING_TIMEOUT", LOADING_TIMEOUT))
    if not (directory / "model.py").exists():
        options.setdefault("entryPoint", ENTRY_POINT)
    if options.get("tensor_parallel_degree") == "max" and gpus == 0:
        options["tensor_parallel_degree"] = "1"
    if directory.parent == scratch:
        lines = {"engine": engine, **{f"option.{name}": value for name, value in options.items()}}
        (directory / PROPERTIES).write_text(properties.render(lines))
    rolling = options["rolling_batch"] != "disable"
    return Deployment(
        directory=directory,
        engine=engine,
        options=options,
        slots=_lenient_int(options.get("max_rolling_batch_size"), DEFAULT_SLOTS) if rolling else 1,
        queue_size=int(_number(merged, "job_queue_size", 1000, 1)),
        chunk_timeout=_number(merged, "chunked_read_timeout", 120, 1),
        ranks=_lenient_int(options.get("tensor_parallel_degree"), 1)
        * _lenient_int(options.get("pipeline_parallel_degree"), 1),
    )


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the environment sets, by property name; names map as DJL-Serving 0.36.0 maps them."""
    found = {ENVIRONMENT[name]: value for name, value in environ.items() if name in ENVIRONMENT and value}
    for name, value in environ.items():
        key = name.removeprefix("OPTION_")
        if key == name or not key:
            continue
        if key == "ENTRYPOINT":
            key = "entryPoint"
        elif re.fullmatch(r"[A-Z_\d]+", key):
            key = key.lower()
        found["engine" if key == "engine" else f"option.{key}"] = value
    return found


def _read(file: Path) -> dict[str, str]:
    try:
        return properties.parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as problem:
        raise LoadError(f"{file} could not be read: {problem}.") from problem


def _model_id(wanted: str, path: Path) -> str:
    if places.is_directory(path):
        return str(path.resolve())
    if "://" in wanted or (HUB_ID.fullmatch(wanted) and not wanted.startswith(".")):
        return wanted
    raise ModelNotFound(
        f"There is no directory {wanted!r}, and it is neither a hub id (owner/name) nor an s3:// address."
    )


SERVER_NAMES = ("engine", "job_queue_size", "chunked_read_timeout", "minWorkers", "maxWorkers", "batch_size")


def _full_name(name: str) -> str:
    return name if name.startswith("option.") or name in SERVER_NAMES else f"option.{name}"


def _engine(merged: Mapping[str, str]) -> str:
    """Return DJL's engine name; none given means Python, `option.mpi_mode=true` means MPI."""
    if merged.get("option.mpi_mode", "").lower() == "true":
        return "MPI"
    name = merged.get("engine", "Python")
    if name.lower() not in ENGINES:
        raise OptionsError(f"engine={name} cannot be served here: use engine=Python or engine=MPI.")
    return ENGINES[name.lower()]


def _number(merged: Mapping[str, str], name: str, default: float, least: float) -> float:
    """Return a server setting, written with the `option.` prefix or without."""
    text = merged.get(f"option.{name}", merged.get(name))
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not value >= least:
        raise OptionsError(f"{name}={text} is not a number of at least {least:g}.")
    return value


def _lenient_int(text: str | None, default: int) -> int:
    """Return an option's value where it is a sensible number; the worker itself complains when it is not."""
    return int(text) if text is not None and text.isdecimal() and int(text) > 0 else default
