"""Make tiny checkpoints and their references: `python -m djl_trtllm.selftest.models`, a JSON job on stdin.

Needs torch and transformers, which the process that starts this never imports. A line of JSON is written for every
family: its name, and what went wrong. Files appear under their names only when they are complete.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from djl_trtllm.selftest import words
from djl_trtllm.selftest.reference import NEW_TOKENS, Answer, Reference
from djl_trtllm.selftest.shapes import CODE_FILE, SHAPES, VOCAB_SIZE, Shape

MODEL = "model"
REFERENCE = "reference.json"
WHOLE, KEPT = 16, 12
"""Prompts that are answered as a whole, and how many of them are kept."""
NEXT, CLEAR = 120, 24
"""Prompts that are answered with one token, and how many of them are kept."""


def main() -> None:
    """Read the job, make each family, say how it went."""
    import torch

    # Many threads that wait for each other take longer than such small models.
    torch.set_num_threads(max(1, min(4, (os.cpu_count() or 1) // 2)))
    job = json.load(sys.stdin)
    for family in job["families"]:
        print(json.dumps({"family": family, "began": True}), flush=True)  # noqa: T201
        problem = ""
        try:
            make(SHAPES[family], Path(job["root"]) / family)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"[:500]
        print(json.dumps({"family": family, "problem": problem}), flush=True)  # noqa: T201


def make(shape: Shape, directory: Path) -> None:
    """Write the checkpoint and its reference below `directory`, keeping what is there."""
    model_directory = directory / MODEL
    if not model_directory.exists():
        half = directory / "making"
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        _checkpoint(shape, half)
        half.rename(model_directory)
    if not (directory / REFERENCE).exists():
        _reference(shape, model_directory).save(directory / REFERENCE)


def _checkpoint(shape: Shape, directory: Path) -> None:
    import torch
    from transformers import PreTrainedTokenizerFast

    torch.manual_seed(20240607)
    tokenizer = words.metaspace() if shape.metaspace else words.byte_level()
    if shape.own_code:
        _own_checkpoint(shape, directory)
    else:
        _known_checkpoint(shape, directory)
    unknown, begin, end = words.SPECIAL
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=begin,
        eos_token=end,
        unk_token=unknown,
        clean_up_tokenization_spaces=False,
    ).save_pretrained(directory)


def _known_checkpoint(shape: Shape, directory: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    given = {key: value for key, value in shape.config().items() if key != "model_type"}
    config = AutoConfig.for_model(shape.model_type, **given)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    if getattr(config, "tie_word_embeddings", False):
        # Otherwise the likeliest next token is the last one, whatever the layers compute.
        with torch.no_grad():
            model.get_input_embeddings().weight.mul_(0.1)
    model.generation_config.update(bos_token_id=1, eos_token_id=2, pad_token_id=0)
    model.save_pretrained(directory)


def _own_checkpoint(shape: Shape, directory: Path) -> None:
    from safetensors.torch import save_file

    from djl_trtllm.selftest import own_code

    config = shape.config() | {"torch_dtype": "float32"}
    (directory / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    shutil.copy(own_code.__file__, directory / CODE_FILE)
    model_class = getattr(own_code, shape.architecture)
    model = model_class(model_class.config_class(**config))
    tensors = {name: tensor.detach().contiguous() for name, tensor in model.named_parameters()}
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    generation = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    (directory / "generation_config.json").write_text(json.dumps(generation), encoding="utf-8")


def _reference(shape: Shape, directory: Path) -> Reference:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    model = _load(shape, directory)

    def ask(text: str, count: int) -> Answer:
        ids = tokenizer.encode(text).ids
        return Answer(text, ids, *_greedy(model, ids, count))

    texts = words.prompts(NEXT)
    return Reference(
        family=shape.model_type,
        vocab_size=VOCAB_SIZE,
        answers=_clearest([ask(text, NEW_TOKENS) for text in texts[:WHOLE]])[:KEPT],
        next_tokens=_clearest([ask(text, 1) for text in texts])[:CLEAR],
        made_with={name: metadata.version(name) for name in ("transformers", "torch")},
    )


def _clearest(answers: Sequence[Answer]) -> list[Answer]:
    """Sort by the smallest gap, largest first; answers with a special token in them last: they have no text there."""

    def clear(answer: Answer) -> tuple[bool, float]:
        return min(answer.tokens) >= len(words.SPECIAL), min(answer.gaps)

    return sorted(answers, key=clear, reverse=True)


def _load(shape: Shape, directory: Path) -> Any:
    from transformers import AutoModelForCausalLM

    if shape.own_code:
        from djl_trtllm.selftest import own_code

        model_class = getattr(own_code, shape.architecture)
        return model_class.from_pretrained(directory).float().eval()
    model = AutoModelForCausalLM.from_pretrained(  # nosec B615 # a directory here
        directory, attn_implementation="eager", local_files_only=True, use_safetensors=True
    )
    return model.float().eval()


def _greedy(model: Any, ids: Sequence[int], count: int) -> tuple[list[int], list[float]]:
    import torch

    tokens: list[int] = []
    gaps: list[float] = []
    with torch.inference_mode():
        while len(tokens) < count:
            logits = model(torch.tensor([[*ids, *tokens]])).logits[0, -1]
            best = logits.topk(2).values
            tokens.append(int(logits.argmax()))
            gaps.append(round(float((best[0] - best[1]) / logits.std()), 4))
            if tokens[-1] == words.SPECIAL.index("</s>"):
                break
    return tokens, gaps


if __name__ == "__main__":
    main()
