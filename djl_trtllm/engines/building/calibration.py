"""Text to calibrate quantisation with: the user's file, or a few passages that come with the package."""

from __future__ import annotations

import json
from pathlib import Path

from djl_trtllm.errors import CompileError
from djl_trtllm.options import places

BUILT_IN = (
    "The river had risen during the night, and by morning the lower fields were a sheet of grey water in which the"
    " tops of the fence posts stood like the masts of a small and orderly fleet.",
    "To make bread you need flour, water, salt, yeast and time. Mix the first four, leave the dough under a cloth"
    " until it has doubled, fold it twice, and bake it in a very hot oven for about forty minutes.",
    "Question: A train leaves at 9:40 and arrives at 13:15. How long is the journey?\nAnswer: From 9:40 to 13:00"
    " are 3 hours and 20 minutes; 15 more minutes make 3 hours and 35 minutes.",
    "def moving_average(values, width):\n    total = sum(values[:width])\n    yield total / width\n    for old, new in"
    " zip(values, values[width:]):\n        total += new - old\n        yield total / width\n",
    "Dear Ms Okafor, thank you for your letter of 3 March. We have looked into the delay and found that the parcel"
    " was sent to the wrong depot. It will reach you on Thursday, and the postage has been refunded.",
    "Photosynthesis turns light into chemical energy. In the chloroplasts of a leaf, water is split, oxygen is set"
    " free, and the electrons that remain drive the making of sugars from carbon dioxide.",
    "user: Can you explain what a hash table is?\nassistant: A hash table keeps pairs of keys and values. A function"
    " turns each key into a number, the number picks a bucket, and the bucket is where the value is found again.",
    "SELECT city, COUNT(*) AS orders, SUM(price) AS revenue FROM sales WHERE year = 2021 GROUP BY city HAVING"
    ' COUNT(*) > 10 ORDER BY revenue DESC; -- returns {"city": "Lyon", "orders": 42, "revenue": 1180.5}',
    "The committee met on Tuesday to discuss the new bridge. Two members were in favour, one was against because of"
    " the cost, and the chair asked for a second estimate before any vote is taken.",
    "Die Katze schlief auf dem warmen Fensterbrett, während draußen der erste Schnee fiel. Als es dämmerte, stand"
    " sie auf, streckte sich und ging in die Küche, um nach ihrem Futter zu sehen.",
    "Le marché ouvre à sept heures. On y trouve des légumes, du poisson, des fromages de la région et, le samedi,"
    " un vieux monsieur qui répare les montres pendant que les clients attendent.",
    "Abstract: We study the flow of sand through a narrow opening. Below a critical width of about five grains the"
    " flow stops at random; the time until it stops grows exponentially with the width.",
    "She closed the book and looked at him. 'You knew,' she said. 'All summer, and you never told me.' He turned the"
    " cup in his hands. 'You never asked,' he answered, but he did not look up.",
    "Installation: unpack the archive, run ./configure --prefix=/usr/local, then make and make install. If the"
    " compiler is not found, install it with the package manager of your system first.",
    "The capital of Australia is Canberra, not Sydney. It was founded in 1913 as a compromise between the two largest"
    " cities, lies about 280 kilometres from Sydney, and has some 450,000 inhabitants.",
    "1. Open the valve slowly. 2. Wait until the gauge shows 2.5 bar. 3. Close the valve, write down the time, and"
    " repeat the measurement three times. Never look into the nozzle while it is under pressure.",
)


def texts(file: str | None, count: int) -> list[str]:
    """Return up to `count` samples: the lines of a text file, the "text" of JSON lines, or the built-in ones.

    Raises `CompileError` when the file has nothing usable.
    """
    if file is None:
        return list(BUILT_IN[:count])
    path = places.expanded(file)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    samples: list[str] = []
    for number, line in enumerate(lines, 1):
        text = _text(path, number, line) if path.suffix in (".jsonl", ".json") else line
        if text.strip():
            samples.append(text)
        if len(samples) == count:
            break
    if not samples:
        raise CompileError(f"option.calib_dataset={file!r} holds no text.")
    return samples


def _text(path: Path, number: int, line: str) -> str:
    if not line.strip():
        return ""
    try:
        row = json.loads(line)
    except ValueError as error:
        raise CompileError(
            f"option.calib_dataset: line {number} of {path.name} is not valid JSON."
        ) from error
    text = row if isinstance(row, str) else row.get("text") if isinstance(row, dict) else None
    if not isinstance(text, str):
        raise CompileError(f'option.calib_dataset: line {number} of {path.name} has no string "text".')
    return text


def calibration_file(name: str) -> Path:
    """Return the file that option.calib_dataset names; `CompileError` where there is none."""
    path = places.expanded(name)
    if not places.is_file(path):
        raise CompileError(
            f"option.calib_dataset={name!r}: there is no such file. Give a local text file (one sample a line)"
            ' or a .jsonl file with a "text" in each line; nothing is downloaded for calibration.'
        )
    return path.resolve()
