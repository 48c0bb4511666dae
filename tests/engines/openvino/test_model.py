from __future__ import annotations

import json
from pathlib import Path

import pytest

from djl_trtllm.engines.openvino.model import read_facts
from djl_trtllm.errors import ArtifactError
from tests.support.engines import compiled

GRAPH = """<net>
<data variable_id="a" variable_type="f32" variable_shape="?,2,?,32" />
<data variable_id="b" variable_type="f32" variable_shape="?,2,?,32" />
<rt_info><KV_CACHE_PRECISION value="f16" /></rt_info></net>"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write(tmp_path, config={"vocab_size": 700, "max_position_embeddings": 1024, "eos_token_id": 5})
    (tmp_path / "openvino_model.xml").write_text(GRAPH)
    (tmp_path / "openvino_model.bin").write_bytes(b"")
    return tmp_path


def write(directory: Path, **files: object) -> None:
    for name, content in files.items():
        (directory / f"{name}.json").write_text(json.dumps(content))


def test_facts_name_their_sources(directory: Path) -> None:
    facts = read_facts(directory)
    assert facts.positions is not None
    assert (facts.positions.value, facts.positions.source) == (1024, "max_position_embeddings in config.json")
    assert (facts.vocab_size.value, facts.vocab_size.source) == (700, "vocab_size in config.json")
    assert facts.state_per_token == 128
    assert facts.cache_type == "f16"


@pytest.mark.parametrize(
    "name", ["max_position_embeddings", "n_positions", "n_ctx", "seq_length", "max_seq_len"]
)
def test_positions_by_every_family_s_name(directory: Path, name: str) -> None:
    write(directory, config={"vocab_size": 7, name: 77})
    facts = read_facts(directory)
    assert facts.positions is not None
    assert (facts.positions.value, facts.positions.source) == (77, f"{name} in config.json")


def test_positions_may_be_without_limit(directory: Path) -> None:
    write(directory, config={"vocab_size": 7, "model_max_length": 10**30})
    assert read_facts(directory).positions is None


def test_what_was_compiled_in_names_the_end_tokens_first(directory: Path) -> None:
    assert read_facts(directory).eos_ids == {5}
    write(directory, generation_config={"eos_token_id": [6, 7]})
    assert read_facts(directory).eos_ids == {6, 7}
    write(directory, text={"eos_token_ids": [8, 9]})
    assert read_facts(directory).eos_ids == {8, 9}
    write(
        directory,
        text={"eos_token_ids": []},
        generation_config={"eos_token_id": None},
        config={"vocab_size": 7},
    )
    assert read_facts(directory).eos_ids == frozenset()


def test_the_vocabulary_may_be_in_other_places(directory: Path) -> None:
    write(directory, config={"padded_vocab_size": 9})
    assert read_facts(directory).vocab_size.value == 9
    write(directory, config={}, text={"vocab_size": 8})
    assert read_facts(directory).vocab_size.source == "vocab_size in text.json"


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("config.json", "no config.json"),
        ("openvino_model.xml", "openvino_model.xml"),
        ("openvino_model.bin", "bin"),
    ],
)
def test_a_missing_file_is_named(directory: Path, missing: str, said: str) -> None:
    (directory / missing).unlink()
    with pytest.raises(ArtifactError, match=said):
        read_facts(directory)


@pytest.mark.parametrize(
    ("text", "said"), [("{", "cannot be read"), ("[]", "not a JSON object"), ("{}", "vocab_size")]
)
def test_a_bad_config_is_named(directory: Path, text: str, said: str) -> None:
    (directory / "config.json").write_text(text)
    with pytest.raises(ArtifactError, match=rf"config\.json .*{said}"):
        read_facts(directory)


@pytest.mark.compile
def test_a_real_compiled_model() -> None:
    facts = read_facts(compiled("llama").path)
    # Two layers, keys and values, two heads of 32.
    assert facts.state_per_token == 2 * 2 * 2 * 32
    assert facts.cache_type == "f16"
    assert facts.eos_ids == {2}
    assert facts.positions is not None
    assert facts.positions.value == 1024
