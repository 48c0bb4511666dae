"""What the model takes against what is there, and the limits that requests will meet."""

from __future__ import annotations

from collections.abc import Iterator

from djl_trtllm.core import Limit
from djl_trtllm.doctor.finding import Finding, note, ok, problem
from djl_trtllm.doctor.subject import Subject
from djl_trtllm.engines.estimate import Estimate
from djl_trtllm.model.families import max_positions
from djl_trtllm.options.places import size

NAME = "memory"
LIMITS = "limits"


def examine(subject: Subject) -> Iterator[Finding]:
    """Compare weights, computing and KV cache with what a device has free. Raises `LoadError`."""
    estimate = subject.estimate
    if estimate is None:
        why = (
            "the machine that will serve is not this one"
            if subject.release is not None
            else "the runtime cannot run here"
            if subject.choice[1] is None
            else "the model is not on this machine, or not whole"
        )
        yield note(NAME, f"Memory was not estimated: {why}.")
        return
    yield _running(estimate)


def _running(estimate: Estimate) -> Finding:
    weights = (
        f"{size(estimate.weights_bytes)} for weights{f' in {estimate.weights}' if estimate.weights else ''}"
    )
    each = f" on each of {estimate.devices} devices" if estimate.devices > 1 else ""
    text = f"{weights} and {size(estimate.working_bytes)} for computing{each}"
    if estimate.kv is not None and estimate.kv.bytes is not None:
        text += f", {size(estimate.kv.bytes)} for {estimate.kv.tokens} tokens of KV cache"
    if estimate.free_bytes is None:
        return note(NAME, f"{text}; what is free on {estimate.device} is not known.")
    text += (
        f"; {size(estimate.free_bytes)} of {size(estimate.total_bytes or 0)} are free ({estimate.device})."
    )
    fix = "Use quantize, more GPUs or a larger machine."
    if estimate.weights_bytes + estimate.working_bytes > estimate.free_bytes:
        return problem(NAME, text, fix)
    if estimate.missing_bytes:
        longest = f"The longest request of {estimate.request_tokens} tokens does not fit."
        return note(NAME, text, f"{longest} Lower option.max_input_len or max_output_len. {fix}")
    return ok(NAME, text)


def limits(subject: Subject) -> dict[str, Limit]:
    """Return what requests may ask for as far as it is known before a load, each with what sets it."""
    options = subject.options
    found = {
        name: Limit(getattr(options, name), _source(subject, name))
        for name in ("max_input_len", "max_output_len", "max_rolling_batch_size")
    }
    found |= _built(subject)
    positions = max_positions(subject.checkpoint.config) if subject.checkpoint is not None else None
    if positions is not None:
        found["max_sequence_len"] = Limit(positions, "config.json of the model")
    estimate = subject.estimate
    if estimate is not None and estimate.kv is not None and estimate.kv.tokens is not None:
        found["kv_cache_tokens"] = Limit(estimate.kv.tokens, estimate.kv.source)
        found["longest_requests_at_once"] = Limit(
            min(estimate.concurrent or 0, options.max_rolling_batch_size),
            f"KV cache over {estimate.request_tokens} tokens a request, and max_rolling_batch_size",
        )
    return found


def _built(subject: Subject) -> dict[str, Limit]:
    """The limits of TensorRT engines that are there already."""
    compiled = subject.compiled
    if compiled is None or compiled.runtime != "trtllm":
        return {}
    from djl_trtllm.engines.trtllm import engine_files, versions
    from djl_trtllm.engines.trtllm import limits as engine_limits

    facts = engine_files.read(compiled.path)
    release = subject.release or versions.installed() or versions.Release.of(facts.version or "0.8.0")
    known = engine_limits.limits(facts, compiled, subject.options, {}, release, None)
    return {
        "max_input_len": known.max_input_len,
        "max_output_len": known.max_output_len,
        "max_sequence_len": known.max_sequence_len,
        "max_rolling_batch_size": known.max_batch_size,
    }


def examine_limits(subject: Subject) -> Iterator[Finding]:
    """Say the limits in one line, and where two of them do not go together. Raises `LoadError`."""
    found = limits(subject)
    yield ok(LIMITS, ", ".join(f"{name} {limit.value}" for name, limit in found.items()) + ".")
    longest = found.get("max_sequence_len")
    asked = found["max_input_len"].value + found["max_output_len"].value
    if longest is not None and asked > longest.value and subject.compiled is None:
        yield note(
            LIMITS,
            f"max_input_len and max_output_len make {asked} tokens, and the model has {longest.value} positions,"
            " which hold.",
            "Lower one of them, so that clients see the real limit.",
        )


def _source(subject: Subject, name: str) -> str:
    source = subject.options.source_of(name)
    return f"option {name}, {source}"
