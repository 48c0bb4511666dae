"""Whether the installed release takes what is passed to it: `python -m djl_trtllm.selftest.probe JOB`.

Not every release could be read, so each type that the package uses is constructed with the arguments that it passes,
by the same functions that pass them. Nothing is built and no engine is opened. A line of JSON is appended to the job's
`result` for each, so that what a crash leaves is known.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from djl_trtllm.core import Checkpoint, EngineRequest, Features, Guide, GuideKind, SamplingParams
from djl_trtllm.engines.guides.vocabulary import Vocabulary
from djl_trtllm.engines.trtllm import answers, gpus, guided, option_map
from djl_trtllm.engines.trtllm.sequences import Ends
from djl_trtllm.engines.trtllm.versions import Release, installed
from djl_trtllm.options import sources
from djl_trtllm.ranks import Solo
from djl_trtllm.selftest.results import Results
from djl_trtllm.selftest.shapes import SHAPES, VOCAB_SIZE
from djl_trtllm.selftest.verdict import END, OK, Check

if TYPE_CHECKING:
    from djl_trtllm.engines.trtllm.resolved import Resolved

Probe = tuple[str, Callable[[], object]]

ALL_OPTIONS: Mapping[str, str] = {
    "max_num_tokens": "4096",
    "max_num_sequences": "16",
    "max_beam_width": "2",
    "tokens_per_block": "64",
    "batch_scheduler_policy": "guaranteed_no_evict",
    "kv_cache_free_gpu_mem_fraction": "0.5",
    "kv_cache_host_memory_bytes": "64MiB",
    "enable_kv_cache_reuse": "true",
    "enable_chunked_context": "true",
    "enable_trt_overlap": "true",
    "multi_block_mode": "true",
    "use_fused_mlp": "true",
    "use_custom_all_reduce": "true",
}
QUANTISED = ("smoothquant", "awq", "fp8", "int8", "int4")
SAMPLING: Mapping[str, SamplingParams] = {
    "greedy": SamplingParams(max_new_tokens=4, logprobs=True),
    "sampled": SamplingParams(
        max_new_tokens=4, do_sample=True, temperature=0.7, top_k=40, top_p=0.9, min_p=0.1, seed=2**63 - 1
    ),
    "penalties": SamplingParams(
        max_new_tokens=4,
        min_new_tokens=2,
        repetition_penalty=1.2,
        presence_penalty=0.5,
        frequency_penalty=0.5,
    ),
    "no end": SamplingParams(max_new_tokens=4, ignore_eos=True),
    "beams": SamplingParams(max_new_tokens=4, num_beams=2, length_penalty=0.5),
}
ENDS = Ends((2, 5))
TOKENIZER = '{"version": "1.0", "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE"}}'
GUIDES: Mapping[GuideKind, str] = {
    GuideKind.JSON: '{"type": "object"}',
    GuideKind.REGEX: "[a-z]+",
    GuideKind.GRAMMAR: 'root ::= "yes" | "no"',
}


class _Several(Solo):
    """A place among several ranks, of which only one is asked."""

    size = 2


def probes(runtime: str, release: Release) -> Iterator[Probe]:
    """Yield what to construct, by a name that tells the type and the occasion."""
    if runtime == "trtllm-pytorch":
        yield from _llm(release)
        return
    yield from _building(release)
    if release < Release(0, 9):
        yield from _gpt_manager(release)
    else:
        yield from _executor(release)


def _requests(features: Features) -> Iterator[tuple[str, EngineRequest]]:
    """Yield requests of every kind that a release is said to take, by name."""
    kinds = dict(SAMPLING)
    if features.bad_words:
        kinds["bad words"] = SamplingParams(max_new_tokens=4, bad_words=((7,), (8,)))
    if features.logit_bias:
        kinds["biases"] = SamplingParams(max_new_tokens=4, logit_bias=((7, -100.0), (8, 1.5)))
    if features.top_logprobs:
        kinds["alternatives"] = SamplingParams(max_new_tokens=4, logprobs=True, top_logprobs=3)
    for name, sampling in kinds.items():
        yield name, EngineRequest(1, [3, 4], sampling)
    for kind in GUIDES:
        if kind in features.guides:
            yield kind.value, EngineRequest(1, [3, 4], SamplingParams(4), Guide(kind, GUIDES[kind]))


def _resolved(
    release: Release, given: Mapping[str, str], ranks: int = 1, runtime: str = "trtllm"
) -> Resolved:
    config = SHAPES["llama"].config()
    model = Checkpoint(Path("model"), "llama", config, "the tiny llama checkpoint")
    values = {**given, "runtime": runtime, "tensor_parallel_degree": str(ranks), "max_output_len": "128"}
    return option_map.resolve(sources.read(values, {}), release, model, ranks, runtime=runtime)


def _building(release: Release) -> Iterator[Probe]:
    from djl_trtllm.engines.trtllm import convert
    from djl_trtllm.engines.trtllm.build_job import Job

    def job(given: Mapping[str, str], ranks: int = 1) -> Job:
        places = {place: dict(values) for place, values in _resolved(release, given, ranks).arguments.items()}
        return Job(
            source="", out="", origin="", architecture="LlamaForCausalLM", rank=ranks - 1, arguments=places
        )

    for ranks in (1, 2):
        yield f"Mapping, {ranks} ranks", partial(convert.mapping, job({}, ranks))
    yield "BuildConfig, defaults", partial(convert.build_config, job({}))
    yield "BuildConfig, all options", partial(convert.build_config, job(ALL_OPTIONS))
    if release >= Release(0, 11):
        yield "QuantConfig, none", partial(convert.quant_config, job({}))
    for kind in QUANTISED:
        if not _resolved(release, {"quantize": kind}).problems:
            yield f"QuantConfig, {kind}", partial(convert.quant_config, job({"quantize": kind}))


def _executor(release: Release) -> Iterator[Probe]:
    from djl_trtllm.engines.trtllm.executor_config import executor_config
    from djl_trtllm.engines.trtllm.requests import RequestMaker

    bindings = importlib.import_module("tensorrt_llm.bindings.executor")

    def config(given: Mapping[str, str], team: Solo) -> object:
        places = {p: dict(v) for p, v in _resolved(release, given, team.size).arguments.items()}
        return executor_config(bindings, places, team, len(gpus.devices()))

    yield "ExecutorConfig, defaults", partial(config, {}, Solo())
    yield "ExecutorConfig, all options", partial(config, ALL_OPTIONS, Solo())
    yield "ExecutorConfig, 2 ranks", partial(config, {}, _Several())

    features = answers.of_executor(release, 1, min_p=True, guided=True)
    if features.guides:
        known = Vocabulary(["a"] * VOCAB_SIZE, TOKENIZER, ENDS.ids, whole=True)
        yield "GuidedDecodingConfig", partial(guided.config, bindings, known)
    make = RequestMaker(bindings, ENDS, VOCAB_SIZE).make
    for name, request in _requests(features):
        yield f"Request, {name}", partial(make, request)


def _gpt_manager(release: Release) -> Iterator[Probe]:
    from djl_trtllm.engines.trtllm import gpt_requests

    bindings = importlib.import_module("tensorrt_llm.bindings")

    def optional_params(given: Mapping[str, str]) -> object:
        resolved = _resolved(release, given)
        cache = bindings.KvCacheConfig(**resolved.at("KvCacheConfig"))
        return bindings.TrtGptModelOptionalParams(kv_cache_config=cache)

    yield "TrtGptModelOptionalParams, defaults", partial(optional_params, {})
    yield "TrtGptModelOptionalParams, all options", partial(optional_params, ALL_OPTIONS)

    def made(request: EngineRequest) -> object:
        return gpt_requests.inference_request(bindings, 1, gpt_requests.plain(request, ENDS, VOCAB_SIZE))

    for name, request in _requests(answers.of_gpt_manager(1)):
        yield f"InferenceRequest, {name}", partial(made, request)


def _llm(release: Release) -> Iterator[Probe]:
    from djl_trtllm.engines.trtllm.llm_sampling import guide_values, sampling_values

    library = importlib.import_module("tensorrt_llm")
    api = importlib.import_module("tensorrt_llm.llmapi")

    def scheduler(values: Mapping[str, Any]) -> object:
        policy = values.get("capacity_scheduler_policy")
        more = {"capacity_scheduler_policy": getattr(api.CapacitySchedulerPolicy, policy)} if policy else {}
        return api.SchedulerConfig(**{**values, **more})

    for name, given in (("defaults", {}), ("all options", ALL_OPTIONS)):
        resolved = _resolved(release, given, runtime="trtllm-pytorch")
        yield f"KvCacheConfig, {name}", partial(api.KvCacheConfig, **resolved.at("LLM.KvCacheConfig"))
        yield f"SchedulerConfig, {name}", partial(scheduler, resolved.at("LLM.SchedulerConfig"))

    def params(request: EngineRequest) -> object:
        values = sampling_values(request, ENDS, VOCAB_SIZE)
        if request.guide is not None:
            values["guided_decoding"] = api.GuidedDecodingParams(**guide_values(request.guide))
        return library.SamplingParams(**values)

    for name, request in _requests(answers.of_llm_api(release, 1, guided=True)):
        yield f"SamplingParams, {name}", partial(params, request)


def main() -> int:
    """Construct everything, one after the other."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    results = Results(Path(job["result"]))
    release = installed()
    if release is not None and job["runtime"] != "openvino":
        for name, construct in probes(job["runtime"], release):
            results.run(name, construct)
    results.add(Check(END, OK, 0.0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
