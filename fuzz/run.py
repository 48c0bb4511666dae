"""`python -m fuzz.run TARGET SECONDS`: one target in this process, by atheris, else by hypothesis.

Both write findings to the target's directory below build/fuzz and end with another status than 0 when there is one.
Atheris ends the process by itself.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from fuzz import by_hypothesis, catalog
from fuzz.catalog import Target


def main(name: str, seconds: int) -> int:
    """Run one target for so many seconds, or until it finds something."""
    (target,) = catalog.chosen([name])
    (target.out / "corpus").mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("atheris") is None:
        return by_hypothesis.run(target, seconds)
    return _by_atheris(target, seconds)


def _by_atheris(target: Target, seconds: int) -> int:
    import atheris

    with atheris.instrument_imports(include=["djl_trtllm"]):
        module = target.module()
        check = module.prepared()
    words = target.out / "words.dict"
    words.write_text("".join(f'"{_spelled(word)}"\n' for word in module.WORDS))
    atheris.Setup(
        [
            "fuzz",
            f"-max_total_time={seconds}",
            f"-timeout={target.slow}",
            f"-max_len={target.longest}",
            f"-dict={words}",
            f"-artifact_prefix={target.out}/",
            "-rss_limit_mb=4096",
            "-print_final_stats=1",
            *map(str, (target.out / "corpus", target.seeds)),
        ],
        check,
    )
    atheris.Fuzz()
    return 0


def _spelled(word: bytes) -> str:
    return "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in word)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
