"""What DJL-Serving makes of rolling_batch, SERVING_FEATURES, backend and engine, by its version.

From its sources: `LmiUtils.needConvert` and `isValidTrtLlmModelRepo` (0.27 to 0.32 and 0.33 to 0.36 differ),
`LmiConfigRecommender` (0.28 and later, where it finds the model's config.json), `ModelInfo.getStatus` (0.30).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from djl_trtllm.doctor.djl_version import PARTITION, DjlVersion
from djl_trtllm.doctor.finding import Finding, note, ok, problem
from djl_trtllm.doctor.subject import Subject
from djl_trtllm.model import engine_layouts

NAME = "modes"
_OLD = (DjlVersion(0, 27), DjlVersion(0, 32), "0.27 to 0.32")
_NEW = (DjlVersion(0, 33), DjlVersion(99, 0), "0.33 and later")
_ADVISED = (DjlVersion(0, 28), DjlVersion(99, 0), "0.28 and later")
_LAST_RETRYING = DjlVersion(0, 29)
Era = tuple[DjlVersion, DjlVersion, str]


def examine(subject: Subject) -> Iterator[Finding]:
    """Say what Java would do by itself, and what of it stands against this handler."""
    rules = [*_conversion(subject), *_stepping(subject), *_processes(subject), *_restarts(subject)]
    yield from rules
    if not rules:
        yield ok(NAME, "engine, rolling_batch and SERVING_FEATURES go together.")


def _told(subject: Subject, era: Era, text: str, fix: str) -> Iterator[Finding]:
    """Yield a problem where this DJL-Serving is of that era, a note where it is not known, else nothing."""
    first, last, words = era
    if subject.djl is None:
        yield note(NAME, f"DJL-Serving {words}: {text}", fix)
    elif first <= subject.djl <= last:
        yield problem(NAME, f"DJL-Serving {subject.djl}: {text}", fix)


def _features(subject: Subject) -> str:
    return subject.environ.get("SERVING_FEATURES", "")


def _rolling(subject: Subject) -> str:
    return subject.given("rolling_batch").lower()


def _conversion(subject: Subject) -> Iterator[Finding]:
    """Java converts a model before it starts Python, and ends where the script is not there."""
    rolling, features = _rolling(subject), _features(subject)
    asked = rolling == "trtllm" or (rolling in ("", "auto") and "trtllm" in features)
    if asked and not _is_repository(subject):
        cause = "option.rolling_batch=trtllm" if rolling == "trtllm" else f"SERVING_FEATURES={features}"
        yield from _script(subject, _OLD, cause, "unset SERVING_FEATURES and set option.rolling_batch=auto")
    if "trtllm" in features and subject.given("backend").lower() != "pytorch" and not _is_engine(subject):
        yield from _script(subject, _NEW, f"SERVING_FEATURES={features}", "unset SERVING_FEATURES")


def _script(subject: Subject, era: Era, cause: str, otherwise: str) -> Iterator[Finding]:
    file = subject.root / PARTITION
    way_out = f"Put this project's script there (docker/lmi/), or {otherwise}."
    if not file.is_file():
        yield from _told(
            subject,
            era,
            f"{cause} makes Java convert the model with /{PARTITION}, which is not here.",
            way_out,
        )
    elif "djl_trtllm" not in file.read_text(encoding="utf-8", errors="replace"):
        text = (
            f"{cause} makes Java convert the model with /{PARTITION}, which is DJL's own and"
            " does not build for this handler."
        )
        yield from _told(subject, era, text, way_out)


def _stepping(subject: Subject) -> Iterator[Finding]:
    """Whether Java calls the handler step by step."""
    rolling, features = _rolling(subject), _features(subject)
    fix = "Set option.rolling_batch=trtllm, or python for one process."
    if rolling == "disable":
        yield note(NAME, "rolling_batch=disable answers one request a call, each alone.", fix)
    elif rolling in ("", "auto"):
        said = f"rolling_batch={rolling}" if rolling else "rolling_batch is not set"
        if "trtllm" in features or "vllm" in features:
            yield from _told(
                subject,
                _NEW,
                f"{said} with SERVING_FEATURES={features} becomes async_mode=true, which is not for this handler.",
                fix,
            )
        elif not rolling:
            yield note(
                NAME,
                f"{said}, so DJL-Serving calls the handler with one request at a time.",
                f"{fix} `djl-trtllm serve` batches by itself.",
            )
        elif subject.djl is None or subject.djl >= _ADVISED[0]:
            yield note(
                NAME,
                f"{said} and SERVING_FEATURES names no engine: DJL-Serving 0.28 and later makes that"
                " rolling_batch=disable where it finds the model's config.json, and one request runs at a time.",
                f"{fix} `djl-trtllm serve` batches by itself.",
            )
    batch = subject.given("batch_size")
    if batch.isdecimal() and int(batch) > 1:
        yield note(
            NAME, f"batch_size={batch} turns rolling batches off (DJL-Serving 0.28 and later).", "Remove it."
        )
    if rolling == "trtllm" and not subject.given("max_rolling_batch_size") and subject.compiled is None:
        yield note(
            NAME,
            "max_rolling_batch_size is not set, and DJL-Serving 0.28 and later sets 256 for rolling_batch=trtllm where"
            " it finds the model's config.json; elsewhere 32 holds.",
            "Set option.max_rolling_batch_size.",
        )


def _processes(subject: Subject) -> Iterator[Finding]:
    """One process or mpirun."""
    if subject.directory is not None and not subject.given("engine"):
        yield note(
            NAME,
            "engine is not set, so DJL-Serving guesses it from the model.",
            "Set engine=MPI for GPUs, engine=Python for one process.",
        )
    if subject.runtime_name != "trtllm-pytorch":
        return
    fix = "Set engine=Python and option.rolling_batch=python; option.tensor_parallel_degree stays as it is."
    if subject.mpi and subject.ranks > 1:
        yield problem(
            NAME,
            f"{subject.ranks} ranks are started under mpirun, and the runtime trtllm-pytorch starts its own workers and"
            " cannot do so from several.",
            fix,
        )
    elif not subject.mpi and _rolling(subject) == "trtllm" and _gpus(subject) > 1:
        yield from _told(
            subject,
            _ADVISED,
            "rolling_batch=trtllm sets mpi_mode=true, whatever else is set, where Java finds the model's config.json,"
            f" and the runtime trtllm-pytorch cannot start its workers from {_gpus(subject)} ranks of mpirun.",
            fix,
        )


def _gpus(subject: Subject) -> int:
    """Return how many ranks Java makes of the degrees; where tensor_parallel_degree is not set it takes all GPUs."""
    options, here = subject.options, len(subject.machine.devices)
    stages = options.pipeline_parallel_degree
    if options.tensor_parallel_degree is None:
        return max(here // stages, 1) * stages
    return options.tensor_parallel(here // stages) * stages


def _restarts(subject: Subject) -> Iterator[Finding]:
    if not subject.runtime_name.startswith("trtllm") or subject.given(
        "retry_threshold", "SERVING_RETRY_THRESHOLD"
    ):
        return
    if subject.djl is None or subject.djl > _LAST_RETRYING:
        yield note(
            NAME,
            "retry_threshold is not set: DJL-Serving 0.30 and later takes the endpoint down for good when its worker"
            " has died once.",
            "Set option.retry_threshold=10 to have it restarted.",
        )


def _place(subject: Subject) -> Path | None:
    """Where Java looks for engines: a local directory that is named, else the model directory."""
    named = subject.options.model_id
    place = (subject.directory or Path()) / named if named else subject.directory
    return place if place is not None and place.is_dir() else None


def _is_repository(subject: Subject) -> bool:
    place = _place(subject)
    names = ("config.pbtxt", "tokenizer_config.json")
    return place is not None and any(
        all((child / name).is_file() for name in names) for child in place.iterdir() if child.is_dir()
    )


def _is_engine(subject: Subject) -> bool:
    place = _place(subject)
    return place is not None and engine_layouts.is_described(place)
