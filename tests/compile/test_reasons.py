"""Why a start was a hit, and what differed where it was none."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from djl_trtllm.compile.manifest import Manifest
from djl_trtllm.compile.plan import content, key
from djl_trtllm.compile.reasons import nearest, why_hit, why_miss
from djl_trtllm.core import Plan
from tests.support.plans import plan


def kept(one: Plan, model_id: str = "", build: Mapping[str, object] | None = None) -> Manifest:
    options = {"model_id": (model_id, "serving.properties")} if model_id else {}
    return Manifest(key(one), content(one), {}, build or {}, options)


def with_inputs(**inputs: str) -> Plan:
    names = {name.replace("_", ".", 1): digest for name, digest in inputs.items()}
    return dataclasses.replace(plan(), inputs=names)


def why(wanted: Plan, model_id: str, *others: Manifest) -> str:
    return why_miss(nearest(content(wanted), model_id, others))


def test_a_hit_names_when_and_how_long_and_where_from() -> None:
    built = kept(plan(), build={"started": 1_700_000_000, "seconds": 61.5, "stages": {"converting": 60.0}})
    assert why_hit(built).startswith("compiled 2023-11-1")
    assert why_hit(built).endswith(" in 61.5 s from the same files, options and versions")
    fetched = dataclasses.replace(built, fetched={"from": "s3://bucket/models", "when": 1_700_086_400})
    assert why_hit(fetched).endswith(" from s3://bucket/models")
    assert ", fetched 2023-11-1" in why_hit(fetched)


def test_a_model_never_seen_is_no_change_of_another() -> None:
    assert why(plan(), "") == "this model has not been compiled here before"
    other = dataclasses.replace(plan(), inputs={"model.safetensors": "x"})
    assert why(plan(), "", kept(other)) == "this model has not been compiled here before"
    family = dataclasses.replace(plan(), model_type="gpt2")
    assert why(plan(), "", kept(family)) == "this model has not been compiled here before"


def test_every_difference_is_named() -> None:
    old = dataclasses.replace(plan(**{f"o{number}": 1 for number in range(6)}), versions={"openvino": "1"})
    new = dataclasses.replace(plan(**{f"o{number}": 2 for number in range(6)}), versions={"openvino": "2"})
    said = why(new, "", kept(old, "org/model"))
    for number in range(6):
        assert f"option o{number} is 2 and was 1" in said
    assert "the version of openvino is 2 and was 1" in said
    assert f"(against {key(old)[:12]} of org/model)" in said


def test_models_that_share_files_are_told_apart() -> None:
    wanted = with_inputs(config_json="c", tokenizer_json="t", model_safetensors="mine")
    wanted = dataclasses.replace(wanted, options={"dtype": "fp32", "quantize": "int8", "calib_size": 3})
    same_weights = kept(with_inputs(config_json="c", tokenizer_json="t", model_safetensors="mine"))
    cousin = kept(
        dataclasses.replace(
            with_inputs(config_json="c", tokenizer_json="t", model_safetensors="theirs"),
            options=wanted.options,
        ),
        "org/cousin",
    )
    for others in ((same_weights, cousin), (cousin, same_weights)):
        assert why(wanted, "", *others).startswith("option calib_size is 3 and was not set; option quantize")
    said = why(wanted, "", cousin)
    assert said.startswith("these weights have not been compiled here before (against ")
    assert said.endswith(" of org/cousin: the file model.safetensors is changed)")
    assert why(wanted, "org/cousin", cousin).startswith("the file model.safetensors is changed (against")
    assert why(wanted, "org/mine", cousin) == said


def test_a_library_that_only_some_builds_need_is_a_reason_where_there_is_no_other() -> None:
    old = dataclasses.replace(plan(), versions={"openvino": "1"})
    new = dataclasses.replace(plan(), versions={"openvino": "1", "nncf": "3"})
    assert "the version of nncf is 3 and was not set" in why(new, "", kept(old))
