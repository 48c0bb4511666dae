"""Every example says what the options know, and what TensorRT-LLM takes for the architecture that it is of."""

from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.core import Checkpoint
from djl_trtllm.engines.trtllm import option_map
from djl_trtllm.engines.trtllm.families import FAMILIES
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.local import properties
from djl_trtllm.options import explain, sources
from djl_trtllm.options.table import SPECS, Options
from djl_trtllm.selftest.shapes import SHAPES

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/serving.properties"))
ENVIRONMENT = properties.parse((EXAMPLES / "environment" / "quickstart.env").read_text())
ARCHITECTURES = {"santacoder": "gpt_bigcode", "starcoder": "gpt_bigcode"}
WITHOUT_CHECKPOINT = ("prebuilt-lmi", "prebuilt-flat")
GUIDE = {
    "tensor_parallel_degree": "max",
    "rolling_batch": "trtllm",
    "max_rolling_batch_size": "64",
    "max_input_len": "1024",
    "max_output_len": "512",
}


def pairs(name: str) -> dict[str, str]:
    return properties.parse((EXAMPLES / name / "serving.properties").read_text())


def options(name: str, tp: int = 0) -> Options:
    given: dict[str, object] = {k: v for k, v in pairs(name).items() if k.startswith("option.")}
    if tp:
        given["option.tensor_parallel_degree"] = str(tp)
    return sources.read({**given, "option.unknown_options": "reject"}, {})


def checkpoint(name: str) -> Checkpoint | None:
    """A checkpoint of the example's architecture, LLaMA's where it has none of its own."""
    if name in WITHOUT_CHECKPOINT:
        return None
    own = ARCHITECTURES.get(name, name)
    config = SHAPES[own if own in SHAPES else "llama"].config()
    if name == "gpt2":
        config["n_positions"] = 1024
    if name == "baichuan":
        config |= {"num_attention_heads": 32, "vocab_size": 125696}
    return Checkpoint(Path("model"), str(config["model_type"]), config, pairs(name)["option.model_id"])


def test_every_case_of_the_guide_has_an_example() -> None:
    titles = {
        "LLaMA",
        "Falcon",
        "InternLM",
        "Baichuan",
        "ChatGLM",
        "GPT-J",
        "Mistral",
        "Mixtral",
        "Qwen",
        "GPT-2",
    }
    known = {kind.title: kind for kind in FAMILIES}
    assert all(known[title].name in NAMES for title in titles)
    others = {
        "santacoder",
        "smoothquant",
        "awq",
        "fp8",
        "prebuilt-lmi",
        "prebuilt-flat",
        "multi-gpu",
        "rotary",
    }
    assert others | {"kv-reuse", "trtllm-pytorch", "openvino", "quickstart"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_options_are_known_and_valid(name: str) -> None:
    read = options(name)
    assert read.warnings == ()
    given = pairs(name)
    assert not [key for key in given if key in SPECS], "without option. it has no effect"
    assert given["option.entryPoint"] == "djl_trtllm.handler"
    if given["engine"] == "MPI":
        assert given["option.retry_threshold"] == "10"


@pytest.mark.parametrize(
    ("name", "release"),
    [
        (name, release)
        for name in NAMES
        for release in ("0.12.0", "0.16.0", "1.2.1")
        if name != "openvino" and (name != "trtllm-pytorch" or release == "1.2.1")
    ],
)
def test_tensorrt_llm_takes_it(name: str, release: str) -> None:
    read = options(name)
    tp = read.tensor_parallel(2)
    runtime = "trtllm-pytorch" if name == "trtllm-pytorch" else "trtllm"
    resolved = option_map.resolve(
        options(name, tp),
        Release.of(release),
        checkpoint(name),
        1 if runtime == "trtllm-pytorch" else tp * read.pipeline_parallel_degree,
        runtime=runtime,
    )
    assert not resolved.problems
    assert resolved.arguments


def test_a_wrong_example_would_be_found() -> None:
    with pytest.raises(Exception, match="quantise"):
        sources.read({"option.quantise": "awq", "option.unknown_options": "reject"}, {})
    read = sources.read({"option.quantize": "awq"}, {})
    falcon = checkpoint("falcon")
    assert option_map.resolve(read, Release.of("0.12.0"), falcon, 1).problems


def test_the_quick_starts_are_the_guides() -> None:
    given = pairs("quickstart")
    assert {key: given[f"option.{key}"] for key in GUIDE} == GUIDE
    assert {key: ENVIRONMENT[SPECS[key].env or f"OPTION_{key.upper()}"] for key in GUIDE} == GUIDE
    assert ENVIRONMENT["OPTION_ENTRYPOINT"] == "djl_trtllm.handler"
    assert ENVIRONMENT["OPTION_RETRY_THRESHOLD"] == "10"
    assert sources.read({}, ENVIRONMENT).warnings == ()


def test_the_page_has_the_same_quick_start() -> None:
    page = (EXAMPLES.parent / "docs" / "tensorrt-llm.md").read_text()
    blocks = {block.partition("\n")[0]: block.partition("\n")[2] for block in page.split("```")[1::2]}
    said = properties.parse(blocks["properties"])
    assert said == {**pairs("quickstart"), "option.model_id": "<your model id>"}


def test_the_openvino_example_honours_all_it_sets() -> None:
    assert explain.notes(options("openvino"), "openvino") == []
