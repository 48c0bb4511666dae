"""What tiny.py runs in a process of its own: `tiny_models.py make|answer|build`, a JSON job on stdin."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
POSITIONS = 1024
SPECIAL = ["<unk>", "<s>", "</s>"]
METASPACE = ("llama", "mistral", "mixtral")

TEXT = """
Once upon a time there was a little girl who lived near the sea. Every morning she walked to the beach and counted
the boats. One day she saw a small red boat with nobody in it. "Whose boat is this?" she asked the old fisherman.
He smiled and said: "It is yours, if you can name the wind that brought it here." The girl thought for a long time.
def fibonacci(n: int) -> int:
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
Es war einmal ein König, der hatte drei Töchter; die jüngste war so schön, dass die Sonne selber sich wunderte.
Il était une fois un garçon qui s'appelait Noël et qui aimait les élèves, les forêts et les fenêtres fermées.
Жила-была девочка, и звали её Машенька. Однажды она пошла в лес. 昔々、あるところにおじいさんとおばあさんがいました。
春眠不覺曉,處處聞啼鳥。 한국어 문장도 조금 있습니다. नमस्ते दुनिया।
🙂🚀 1234567890 3.14159 {"key": [1, 2, 3]} <html>&amp;</html>
"""

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<s>' + message['role'] + '\n' + message['content'] + '</s>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<s>assistant\n' }}{% endif %}"
)

SIZES: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": POSITIONS,
    "initializer_range": 0.15,
    "tie_word_embeddings": False,
}
GROUPED = {**SIZES, "num_key_value_heads": 2}
GPT = {
    "n_embd": 128,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": POSITIONS,
    "initializer_range": 0.15,
    "tie_word_embeddings": False,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": GROUPED,
    "mistral": {**GROUPED, "sliding_window": None},
    "mixtral": {**GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen2": GROUPED,
    "qwen3": {**GROUPED, "head_dim": 32},
    "gpt2": GPT,
    "gpt_bigcode": GPT,
    "gptj": {**GPT, "rotary_dim": 16},
    "falcon": {
        **SIZES,
        "intermediate_size": None,
        "ffn_hidden_size": 256,
        "num_kv_heads": 2,
        "new_decoder_architecture": True,
    },
    "phi3": {**GROUPED, "original_max_position_embeddings": POSITIONS, "sliding_window": None},
    "opt": {**SIZES, "intermediate_size": None, "ffn_dim": 256, "word_embed_proj_dim": 128, "init_std": 0.15},
    "gpt_neox": SIZES,
    "glm4": {**GROUPED, "head_dim": 32},
}


def make(root: str, families: Sequence[str]) -> None:
    """Write one checkpoint per family below `root`."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    corpus = [*TEXT.splitlines(keepends=True), *(ROOT / "LICENSE").read_text().splitlines(keepends=True)]
    tokenizers = {True: metaspace(corpus), False: byte_level(corpus)}
    for family in families:
        torch.manual_seed(20240607)
        tokenizer = tokenizers[family in METASPACE]
        sizes = {key: value for key, value in CONFIGS[family].items() if value is not None}
        config = AutoConfig.for_model(
            family,
            **sizes,
            vocab_size=tokenizer.get_vocab_size(),
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
            attn_implementation="eager",
        )
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        model.generation_config.update(bos_token_id=1, eos_token_id=2, pad_token_id=0)
        model.save_pretrained(Path(root) / family)
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            bos_token="<s>",
            eos_token="</s>",
            unk_token="<unk>",
            chat_template=CHAT_TEMPLATE,
            clean_up_tokenization_spaces=False,
        ).save_pretrained(Path(root) / family)


def byte_level(corpus: Sequence[str]) -> Any:
    """A GPT-2 kind of tokenizer: byte-level BPE, no unknowns, no prefix space."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def metaspace(corpus: Sequence[str]) -> Any:
    """A Llama-2 kind of tokenizer: spaces become U+2581, rare characters fall back to byte tokens, <s> in front."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers

    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=[*SPECIAL, *byte_tokens], limit_alphabet=90, show_progress=False
    )
    words = [word for line in corpus for word in line.split()]
    tokenizer.train_from_iterator(words, trainer)
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] in SPECIAL]
    content["model"].update(byte_fallback=True, fuse_unk=True)
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return tokenizer


def answer(jobs: Sequence[Mapping[str, Any]]) -> None:
    """Write transformers' greedy continuations of every job's prompts to its file."""
    import torch
    from transformers import AutoModelForCausalLM

    for job in jobs:
        model = AutoModelForCausalLM.from_pretrained(
            job["model"], dtype=torch.float32, attn_implementation="eager"
        ).eval()
        answers = []
        for ids in job["prompts"]:
            whole = model.generate(
                torch.tensor([ids]),
                attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                max_new_tokens=job["new_tokens"],
                do_sample=False,
            )
            answers.append(whole[0, len(ids) :].tolist())
        out = Path(job["out"])
        out.parent.mkdir(parents=True, exist_ok=True)
        half = out.with_suffix(".half")
        half.write_text(json.dumps(answers))
        half.replace(out)


def build(cache: str, jobs: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
    """Compile models with options through djl_trtllm's cache, and print where each one is: name -> directory."""
    from djl_trtllm.compile.cache import ensure
    from djl_trtllm.compile.settings import CacheSettings
    from djl_trtllm.core import Progress
    from djl_trtllm.engines.building.child import Reporter
    from djl_trtllm.engines.openvino import build_child, build_process, quality, quality_child
    from djl_trtllm.engines.openvino.build_job import SCRATCH, Job
    from djl_trtllm.engines.openvino.quality_child import QualityJob
    from djl_trtllm.model.locate import locate
    from djl_trtllm.options.table import Options
    from djl_trtllm.ranks import Solo
    from tests.support.real_build import recipe

    def here(job: Job, progress: Progress) -> None:
        # What build_process.run does, without a process for each model.
        scratch = Path(job.out) / SCRATCH
        scratch.mkdir()
        build_child.build(job, Reporter(sys.stdout.buffer))
        shutil.rmtree(scratch)

    def compare_here(job: QualityJob, progress: Progress) -> dict[str, object]:
        return quality_child.measure(job, Reporter(sys.stdout.buffer))

    build_process.run, quality.run = here, compare_here
    progress = Reporter(sys.stdout.buffer)
    made = {}
    for name, (model, more) in jobs.items():
        options = Options(model_id=model, cache_dir=cache, **more)
        checkpoint = locate(options, {}, progress)
        settings = CacheSettings.of(options, {})
        made[name] = ensure(recipe(checkpoint, options), Solo(), settings, progress).path
    print(json.dumps({name: str(path) for name, path in made.items()}))


if __name__ == "__main__":
    commands = {"make": make, "answer": answer, "build": build}
    commands[sys.argv[1]](**json.load(sys.stdin))
