"""Which member of a family a checkpoint is, where the library has to be told: GPT, ChatGLM and Baichuan.

The library guesses a GPT or ChatGLM from the path it is given, and takes every unknown Baichuan for one with alibi,
without a word (run on 0.12 to 0.14). So it is always told, from the checkpoint where that is certain, else from
the option; where both speak they must agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from djl_trtllm.engines.trtllm.families import Family
from djl_trtllm.engines.trtllm.row import Places
from djl_trtllm.engines.trtllm.situation import Situation

OPTIONS = ("baichuan_model_version", "chatglm_model_version", "gpt_model_version")
"""The options that say which member of a family a checkpoint is."""

_CHATGLM_NAME = re.compile(r"chatglm([23]?)-6b|(glm-4)", re.IGNORECASE)


def resolve(
    s: Situation, kind: Family, origin: str, places: Places, notes: list[str], problems: list[str]
) -> None:
    """Add the library's name of the variant to what converts the checkpoint."""
    problems += [
        f"{s.said(option)} contradicts {origin}, which is a {kind.title} model. Remove the option."
        for option in OPTIONS
        if option != kind.version_option and s.is_set(option)
    ]
    if not kind.version_option or s.minor < (0, 12):
        return
    variant = _FINDERS[kind.version_option](s, kind, origin, notes, problems)
    if variant:
        place = "quantize" if s.calibrated else "from_hugging_face"
        places.setdefault(place, {})[kind.version_argument] = variant


def chatglm(s: Situation, kind: Family, origin: str, notes: list[str], problems: list[str]) -> str:  # noqa: ARG001
    """Return the library's name of a ChatGLM; empty with a problem where nothing tells it."""
    own = chatglm_of(s.config)
    option = s.options.chatglm_model_version
    asked = option and ("glm" if option == "glm_10b" else option.split("_")[0])
    if asked and own and asked != own:
        problems.append(
            f"{s.said('chatglm_model_version')} contradicts {origin}, which is a {own} model as its config.json says."
            " Remove the option: the version is read from the checkpoint."
        )
        return ""
    if asked and not own and asked in ("chatglm", "glm"):
        problems.append(
            f"{s.said('chatglm_model_version')} contradicts {origin}, which is a ChatGLM2 or ChatGLM3 model. Set"
            " chatglm2_6b or chatglm3_6b."
        )
        return ""
    if not asked and not own:
        problems.append(
            f"The config.json of {origin} does not tell ChatGLM2 from ChatGLM3. Set option.chatglm_model_version to"
            " chatglm2_6b, chatglm2_6b_32k, chatglm3_6b, chatglm3_6b_base or chatglm3_6b_32k."
        )
    return own or asked or ""


def chatglm_of(config: Mapping[str, object]) -> str:
    """Return glm, chatglm, chatglm2, chatglm3 or glm4 where a config.json is certain; else an empty text."""
    if config.get("model_type") == "glm" or config.get("architectures") == ["GLMModel"]:
        return "glm"
    if "inner_hidden_size" in config or config.get("position_encoding_2d") is True:
        return "chatglm"
    named = _CHATGLM_NAME.search(str(config.get("_name_or_path") or ""))
    if named is None or not ("padded_vocab_size" in config or "multi_query_attention" in config):
        return ""
    return "glm4" if named[2] else f"chatglm{named[1]}" if named[1] else ""


def baichuan(s: Situation, kind: Family, origin: str, notes: list[str], problems: list[str]) -> str:  # noqa: ARG001
    """Return the version of a Baichuan: from heads and vocabulary, the option, or the guide's default v1_13b."""
    generation, size = baichuan_of(s.config)
    option = s.options.baichuan_model_version
    if option:
        wrong = (generation and not option.startswith(generation)) or (size and not option.endswith(size))
        if wrong:
            problems.append(
                f"{s.said('baichuan_model_version')} contradicts {origin}, which is"
                f" {generation or 'v1 or v2'}, {size or '7b or 13b'} by its heads and vocabulary. Remove the option."
            )
            return ""
        return option
    if not (generation and size):
        notes.append(
            f"baichuan_model_version is not set and {origin} does not tell it for sure:"
            f" {generation or 'v1'}_{size or '13b'} is taken."
        )
    return f"{generation or 'v1'}_{size or '13b'}"


def baichuan_of(config: Mapping[str, object]) -> tuple[str, str]:
    """Return v1 or v2, and 7b or 13b, each empty where a config.json is not certain."""
    vocabulary = config.get("vocab_size")
    heads = (config.get("num_attention_heads"), config.get("hidden_size"))
    generation = {64000: "v1", 125696: "v2"}.get(vocabulary, "") if isinstance(vocabulary, int) else ""
    return generation, "7b" if heads == (32, 4096) else "13b" if heads == (40, 5120) else ""


def gpt(s: Situation, kind: Family, origin: str, notes: list[str], problems: list[str]) -> str:
    """Return the variant of a GPT: its layout decides, and the option may only name it more loosely."""
    if kind.name == "starcoder" and s.config.get("multi_query") is False:
        problems.append(
            f"{origin} is a GPTBigCode model with multi_query=false, which TensorRT-LLM cannot convert: its StarCoder"
            " layout has one key head. Use a model with multi_query=true."
        )
        return ""
    option = s.options.gpt_model_version
    if option == kind.name or not s.is_set("gpt_model_version"):
        return kind.name
    if kind.name in ("gpt2", "santacoder") or option == "gpt2":
        problems.append(
            f"{s.said('gpt_model_version')} contradicts {origin}, which is a {kind.title} model. Remove the option:"
            " the version is read from the checkpoint."
        )
        return ""
    notes.append(
        f"{s.said('gpt_model_version')} is not passed on: {origin} has the layout of {kind.title} and is built as that."
    )
    return kind.name


_Finder = Callable[[Situation, Family, str, list[str], list[str]], str]
_FINDERS: Mapping[str, _Finder] = {
    "baichuan_model_version": baichuan,
    "chatglm_model_version": chatglm,
    "gpt_model_version": gpt,
}
