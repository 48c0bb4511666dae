"""The process that compares a quantised OpenVINO model with the unquantised one it was made of.

Both run as plain OpenVINO models, one after the other, in 32-bit floats: what differs is what quantising has done, on
any CPU. It imports neither torch nor transformers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from djl_trtllm.engines.building import child, quality_texts, scores
from djl_trtllm.engines.building.child import Reporter
from djl_trtllm.engines.building.measured import without_directories
from djl_trtllm.engines.building.news import Failed
from djl_trtllm.engines.building.scores import Scores

STAGE = "measuring quality"

_EXACT = {
    "INFERENCE_PRECISION_HINT": "f32",
    "KV_CACHE_PRECISION": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
}
"""As openvino_precision=exact. The activations of smoothquant are quantised by the model itself, and stay so."""


class QualityJob(msgspec.Struct, frozen=True, kw_only=True):
    """Compare the model in `out`, which has the tokenizer, with the one in `reference`; `texts` is a file of texts.

    `threads` None means all cores.
    """

    out: str
    reference: str
    texts: str | None = None
    threads: int | None = None


def measure(job: QualityJob, reporter: Reporter) -> dict[str, object]:
    """Do one job, and return the figures."""
    # It sends usage statistics where it can be imported; a compiler calls nobody.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    reporter.stage(STAGE, 0.0)
    out = Path(job.out)
    ids = quality_texts.token_ids(quality_texts.texts(job.texts), quality_texts.tokenizer_of(out))

    def half(begin: float) -> Callable[[float], None]:
        return lambda share: reporter.stage(STAGE, begin + 50.0 * share)

    plain = scored(Path(job.reference), ids, job.threads, half(0.0))
    quantised = scored(out, ids, job.threads, half(50.0))
    return scores.compare(plain, quantised).content()


def scored(
    directory: Path, texts: Sequence[Sequence[int]], threads: int | None, done: Callable[[float], None]
) -> list[Scores]:
    """Run the model of a directory over texts; `done` is told the share of them that is."""
    import openvino

    properties = dict(_EXACT) if threads is None else {**_EXACT, "INFERENCE_NUM_THREADS": str(threads)}
    core = openvino.Core()
    request = core.compile_model(
        core.read_model(directory / "openvino_model.xml"), "CPU", properties
    ).create_infer_request()
    found = []
    for number, ids in enumerate(texts):
        done(number / len(texts))
        found.append(scores.score(ids, _logits(request, ids)))
    return found


def _logits(request: Any, ids: Sequence[int]) -> Any:
    """Return the logits after every token, [tokens, vocabulary]; one by one where it gives the last only."""
    import numpy as np

    request.reset_state()
    whole = _infer(request, ids, 0)
    if len(whole) == len(ids):
        return whole
    request.reset_state()
    return np.stack([_infer(request, ids[at : at + 1], at)[-1] for at in range(len(ids))])


def _infer(request: Any, ids: Sequence[int], past: int) -> Any:
    import numpy as np

    end = past + len(ids)
    every: Mapping[str, Any] = {
        "input_ids": np.array([ids], dtype=np.int64),
        "attention_mask": np.ones((1, end), dtype=np.int64),
        "position_ids": np.arange(past, end, dtype=np.int64)[None],
        "beam_idx": np.zeros(1, dtype=np.int32),
    }
    names = {name for port in request.model_inputs for name in port.get_names()}
    result = request.infer({name: value for name, value in every.items() if name in names})
    return np.array(result["logits"][0])


def failed(error: BaseException, job: QualityJob) -> Failed:
    """Say what ended the job."""
    known = child.verdict(error, Path(job.out))
    if known is not None:
        return known
    text = child.first_lines(without_directories(str(error) or type(error).__name__), 300)
    return Failed("build", [f"{type(error).__name__}: {text}"])


if __name__ == "__main__":
    raise SystemExit(child.main(QualityJob, measure, failed))
