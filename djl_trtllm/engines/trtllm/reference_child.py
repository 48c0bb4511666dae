"""The process that scores the comparison's texts with the checkpoint as transformers loads it, quantised by nobody.

On the GPU in the engine's type where its free memory holds the weights, else on the CPU in 32-bit floats, which every
CPU computes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from djl_trtllm.core import Progress
from djl_trtllm.engines.building import child, quality_texts, scores
from djl_trtllm.engines.building.measured import without_directories
from djl_trtllm.engines.building.news import Failed
from djl_trtllm.engines.building.scores import Scores

STAGE = "measuring quality"

_ROOM = 1.2
"""Memory that a forward pass over one text takes beside the weights, as a factor of these."""


class ReferenceJob(msgspec.Struct, frozen=True, kw_only=True):
    """Score texts with the prepared checkpoint `source`; `compiled` has the tokenizer, `texts` is a file of texts.

    `dtype` is the engine's, as torch calls it; `weights` is the size of the weights in it, in bytes.
    """

    source: str
    compiled: str
    dtype: str
    weights: int
    texts: str | None = None
    trust_remote_code: bool = False
    allow_pickle: bool = False


class Reference(msgspec.Struct, frozen=True):
    """What comes of it: one entry a text."""

    scores: list[Scores]


def score(job: ReferenceJob, progress: Progress) -> dict[str, object]:
    """Do one job, and return a `Reference` as JSON values."""
    progress.stage(STAGE, 0.0)
    tokenizer = quality_texts.tokenizer_of(Path(job.compiled))
    ids = quality_texts.token_ids(quality_texts.texts(job.texts), tokenizer)
    import torch

    torch.set_grad_enabled(False)
    place, dtype = _place(job)
    model = _load(job, dtype).to(place).eval()
    found = []
    for number, text in enumerate(ids):
        progress.stage(STAGE, 50.0 * number / len(ids))
        found.append(scores.score(text, _logits(model, text, place)))
    return dict(msgspec.to_builtins(Reference(found)))


def _place(job: ReferenceJob) -> tuple[str, Any]:
    import torch

    if torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info()
        if free > job.weights * _ROOM:
            return "cuda", getattr(torch, job.dtype)
    return "cpu", torch.float32


def _load(job: ReferenceJob, dtype: Any) -> Any:
    import transformers
    from transformers import AutoModelForCausalLM

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return AutoModelForCausalLM.from_pretrained(  # nosec B615 # a directory here
        job.source,
        # Named so since the oldest transformers that any container has; 5 still takes it.
        torch_dtype=dtype,
        local_files_only=True,
        low_cpu_mem_usage=True,
        trust_remote_code=job.trust_remote_code,
        use_safetensors=None if job.allow_pickle else True,
    )


def _logits(model: Any, ids: Sequence[int], place: str) -> Any:
    """Return the logits after every token, [tokens, vocabulary]."""
    import torch

    return model(torch.tensor([list(ids)], device=place)).logits[0].float().cpu().numpy()


def failed(error: BaseException, job: ReferenceJob) -> Failed:
    """Say what ended the job."""
    known = child.verdict(error, Path(job.compiled))
    if known is not None:
        return known
    text = child.first_lines(without_directories(str(error) or type(error).__name__), 300)
    return Failed(
        "build", [f"the unquantised model does not run in transformers: {type(error).__name__}: {text}"]
    )


if __name__ == "__main__":
    raise SystemExit(child.main(ReferenceJob, score, failed))
