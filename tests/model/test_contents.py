import pytest

from djl_trtllm.errors import ModelNotFound, UnsupportedModel
from djl_trtllm.model import contents

CHECKPOINT = ["config.json", "model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json"]
TEXTS = ["chat_template.jinja", "merges.txt", "tokenizer.json", "tokenizer.model"]
OPENVINO = ["config.json", "openvino_model.bin", "openvino_model.xml", "openvino_tokenizer.xml"]
REPOSITORY = [
    "llama/1/config.json",
    "llama/1/rank0.engine",
    "llama/1/rank1.engine",
    "llama/config.pbtxt",
    "llama/tokenizer.json",
]


def needed(*names: str, code: bool = False, pickles: bool = False) -> list[str]:
    return sorted(contents.needed(names, "the model", code=code, pickles=pickles))


def test_a_checkpoint_is_its_configuration_weights_and_tokenizer() -> None:
    other = [
        *("README.md", ".gitattributes", "model.gguf", "pytorch_model.bin", "tf_model.h5", "modeling_x.py"),
        *("onnx/model.onnx", "original/params.json", "original/tokenizer.model", "consolidated.safetensors"),
    ]
    assert needed(*CHECKPOINT, *TEXTS, *other) == sorted([*CHECKPOINT, *TEXTS])


def test_weights_of_one_name_alone() -> None:
    assert needed("config.json", "consolidated.safetensors") == ["config.json", "consolidated.safetensors"]


def test_code_and_pickles_only_where_the_options_allow() -> None:
    names = ["config.json", "modeling_x.py", "pytorch_model-1.bin", "training_args.bin", "optimizer.bin"]
    with pytest.raises(UnsupportedModel, match=r"only pickled weights.*option\.allow_pickle_weights"):
        needed(*names)
    assert needed(*names, pickles=True) == ["config.json", "pytorch_model-1.bin"]
    assert needed(*CHECKPOINT, "a.bin", "modeling_x.py", pickles=True, code=True) == sorted(
        [*CHECKPOINT, "modeling_x.py"]
    )


def test_an_openvino_model_needs_no_weights_of_the_checkpoint() -> None:
    assert needed(*OPENVINO, "model.safetensors", "tokenizer.json") == sorted([*OPENVINO, "tokenizer.json"])


def test_engines_in_every_layout() -> None:
    flat = ["config.json", "rank0.engine", "rank1.engine", "tokenizer.json"]
    assert needed(*flat, "serving.properties", "1rank9.engine.log") == flat
    triton = ["preprocessing/1/model.py", "preprocessing/config.pbtxt", "ensemble/config.pbtxt"]
    assert needed(*REPOSITORY, *triton, "llama/1/model.cache", "llama/x.py") == REPOSITORY
    assert needed(*REPOSITORY, "llama/x.py", code=True) == sorted([*REPOSITORY, "llama/x.py"])
    one = ["1/config.json", "1/llama_rank0.engine", "config.json", "config.pbtxt", "tokenizer.json"]
    assert needed(*one) == one
    assert needed("llama/1/config.json", "llama/tokenizer.json") == [
        "llama/1/config.json",
        "llama/tokenizer.json",
    ]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([*REPOSITORY, "mistral/1/rank0.engine"], "engines in llama/1, mistral/1, and one model is served"),
        ([*REPOSITORY, "config.json", "rank0.engine"], "engines in the directory itself, llama/1"),
        ([*REPOSITORY, *CHECKPOINT], "engines in llama/1 and a Hugging Face checkpoint beside them"),
        ([*REPOSITORY, *OPENVINO], "an OpenVINO model and TensorRT engines"),
        (["a.gguf"], "GGUF"),
        (["adapter_config.json", "adapter_model.safetensors"], "LoRA adapter"),
        (["config.json", "flax_model.pt"], "only flax_model.pt, which cannot be read"),
    ],
)
def test_what_cannot_be_served(names: list[str], words: str) -> None:
    with pytest.raises(UnsupportedModel, match=words):
        needed(*names)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "It is empty"),
        (["model.tar.gz"], r"It holds model\.tar\.gz\."),
        (["a/b/config.json", "a/c"], r"It holds a\."),
        ([f"{n}.csv" for n in range(9)], "and more"),
        (["config.json"], "no weights"),
    ],
)
def test_what_is_no_model(names: list[str], words: str) -> None:
    with pytest.raises(ModelNotFound, match=words):
        needed(*names)
