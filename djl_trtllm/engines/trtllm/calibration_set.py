"""Calibration text as a directory that every loader of TensorRT-LLM takes for the data set it knows.

Its loaders (0.10 to 0.17) ask the `datasets` library for the configuration 3.0.0, split train, column `article` where
the name holds "cnn_dailymail", and for the column `text` elsewhere. Native SmoothQuant reads 512 rows whatever it was
told, and fails with an IndexError on fewer. Named like that and with both columns, a local directory suits all.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from djl_trtllm.engines.building import calibration

ROWS = 512
_CARD = """---
configs:
- config_name: "3.0.0"
  data_files:
  - split: train
    path: train.jsonl
---
"""


def write(directory: Path, file: str | None, count: int) -> None:
    """Make `directory` from the samples of option.calib_dataset, or those of the package, over again until enough.

    `count` is how many were asked for. Raises `CompileError` where the file has nothing usable.
    """
    rows = max(count, ROWS)
    samples = calibration.texts(file, rows)
    directory.mkdir()
    (directory / "README.md").write_text(_CARD, encoding="utf-8")
    with (directory / "train.jsonl").open("w", encoding="utf-8") as out:
        for text in itertools.islice(itertools.cycle(samples), rows):
            out.write(json.dumps({"article": text, "text": text}) + "\n")
