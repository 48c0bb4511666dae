"""From a Hugging Face checkpoint to an OpenVINO model, in a process that may import torch.

The checkpoint is loaded here and not by optimum-intel's `main_export`, which cannot write bf16 from an fp32
checkpoint, makes int8 of models over a billion parameters unasked, and does not tell which weights were missing.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from djl_trtllm.engines.openvino.build_job import SCRATCH
from djl_trtllm.errors import CompileError

if TYPE_CHECKING:
    from djl_trtllm.engines.building.child import Reporter
    from djl_trtllm.engines.openvino.build_job import Job

XML, BIN = "openvino_model.xml", "openvino_model.bin"
CONFIGS = ("config.json", "generation_config.json")
TASK = "text-generation-with-past"
_TORCH = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


def load_libraries() -> None:
    """Import what takes ten seconds, so that the stages after it show what they cost themselves."""
    import torch
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401 - loaded at the first use of a name

    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def export(job: Job, source: Path, out: Path, dtype: str, reporter: Reporter) -> None:
    """Write openvino_model.xml and .bin, config.json and generation_config.json into `out`."""
    import torch
    from optimum.exporters.openvino.convert import export_from_model
    from optimum.intel import OVConfig

    reporter.stage("reading the weights")
    model = _load(job, source, getattr(torch, _TORCH[dtype]))
    reporter.stage(f"converting to OpenVINO ({dtype})")
    plain = Path(job.out) / SCRATCH / "exported"
    export_from_model(
        model,
        output=plain,
        task=TASK,
        ov_config=OVConfig(dtype=dtype),
        patch_16bit_model=dtype != "fp32",
        trust_remote_code=job.trust_remote_code,
    )
    del model
    out.mkdir(exist_ok=True)
    for name in (XML, BIN, *CONFIGS):
        # The checkpoint's own generation_config.json is there already; the exporter's is for those without one.
        if (plain / name).exists() and not (out / name).exists():
            shutil.move(plain / name, out / name)
    shutil.rmtree(plain)


def _load(job: Job, source: Path, dtype: Any) -> Any:
    from transformers import AutoModelForCausalLM

    model, info = AutoModelForCausalLM.from_pretrained(  # nosec B615 # a directory here
        source,
        dtype=dtype,
        local_files_only=True,
        low_cpu_mem_usage=True,
        output_loading_info=True,
        trust_remote_code=job.trust_remote_code,
        use_safetensors=None if job.allow_pickle else True,
    )
    missing = sorted(info["missing_keys"])
    wrong = sorted(str(row[0]) for row in info["mismatched_keys"])
    problems = [
        f"{job.origin}: {len(names)} weights are {what}, for example {names[0]}. Copy or download the model again."
        for names, what in ((missing, "missing"), (wrong, "of another shape than config.json says"))
        if names
    ]
    if problems:
        raise CompileError(*problems)
    return model.eval()


def check(out: Path) -> None:
    """Read the written model back: a file that was cut short does not pass."""
    import openvino

    try:
        openvino.Core().read_model(out / XML)
    except RuntimeError as error:
        raise CompileError(
            f"The compiled model cannot be read back: {' '.join(str(error).split())[:300]}"
        ) from error
