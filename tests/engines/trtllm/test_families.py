from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.core import Checkpoint
from djl_trtllm.engines.trtllm.families import FAMILIES, Family, family
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import UnsupportedModel
from tests.contract.tensorrt_llm_stand_in import ROWS, version
from tests.contract.tensorrt_llm_stand_in.rows import row

_MAP = "tensorrt_llm.models.MODEL_MAP"


def checkpoint(model_type: str, *architectures: str) -> Checkpoint:
    config: dict[str, object] = {"model_type": model_type}
    if architectures:
        config["architectures"] = list(architectures)
    return Checkpoint(Path("m"), model_type, config, "org/model")


def rows_from(kind: Family) -> list[str]:
    releases = {name: Release.of(version(name)) for name in ROWS if _MAP in row(name)}
    return [name for name, release in releases.items() if (release.major, release.minor) >= kind.since]


@pytest.mark.parametrize("kind", FAMILIES, ids=lambda kind: kind.name)
def test_every_release_from_the_first_one_has_a_class_that_converts(kind: Family) -> None:
    """Against the contract: the key is in MODEL_MAP, and its class has a from_hugging_face of its own."""
    rows = [name for name in rows_from(kind) if name != "0.21~"]
    assert rows or kind.since == (0, 21)
    for name in rows:
        entry = row(name)[_MAP]
        cls = entry["map"][kind.map_key]
        assert entry["from_hugging_face"][cls] == "own", name
        assert (cls == "LLaMAForCausalLM") is kind.llama


@pytest.mark.parametrize("kind", FAMILIES, ids=lambda kind: kind.name)
def test_every_spelling_finds_its_family(kind: Family) -> None:
    for architecture in kind.architectures:
        assert family(checkpoint("anything", architecture)) is kind
    for model_type in kind.model_types:
        assert family(checkpoint(model_type)) is kind


def test_falcon_and_baichuan_have_older_spellings() -> None:
    assert family(checkpoint("RefinedWebModel", "RWForCausalLM")).name == "falcon"
    assert family(checkpoint("baichuan", "BaiChuanForCausalLM")).name == "baichuan"
    assert family(checkpoint("gpt2", "GPT2LMHeadCustomModel")).name == "santacoder"


@pytest.mark.parametrize(
    ("model_type", "architectures", "says"),
    [
        ("gpt_neox", ("GPTNeoXForCausalLM",), "(GPTNeoXForCausalLM), which is not compiled"),
        ("llama", ("LlamaForSequenceClassification",), "'llama' (LlamaForSequenceClassification)"),
        ("lama", (), "The nearest is llama, which is another architecture."),
        ("bert", ("BertModel",), "An engine that was built elsewhere can be served from its directory."),
    ],
)
def test_an_architecture_nobody_knows_is_named(
    model_type: str, architectures: tuple[str, ...], says: str
) -> None:
    with pytest.raises(UnsupportedModel) as caught:
        family(checkpoint(model_type, *architectures))
    assert says in str(caught.value)
    assert "LLaMA, Mistral, Mixtral" in str(caught.value)


def test_quantising_never_begins_before_compiling() -> None:
    by_name = {kind.name: kind for kind in FAMILIES}
    assert not by_name["qwen3"].can_quantize("int8", Release(0, 17))
    assert by_name["qwen3"].can_quantize("int8", Release(0, 21))
    assert not by_name["falcon"].can_quantize("awq", Release(1, 2))
    assert not by_name["mixtral"].can_quantize("smoothquant", Release(1, 2))
