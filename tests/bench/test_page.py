"""The page and the document, from figures made up here."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bench import document, machine, page, parts, plots, stats
from bench.layers import LAYERS
from bench.stats import Bar, Figure

ROOT = Path(__file__).parents[2]
JUDGED = [
    stats.ratio("handler/ratio/64", [(1.0, 10.0)] * 9, Bar(0.125), "of <upstream's>"),
    stats.ratio("throughput/ratio/8", [(0.9, 1.0)] * 9, Bar(0.99, at_least=True), "of the raw loop's"),
    stats.absolute("cancel/free", [-0.2, 2.0] * 5, Bar(1.0), "steps"),
]
PLAIN = [
    stats.plain("handler/cpu/ours/64", [2.5, 2.6], "µs/token"),
    stats.plain("served/ratio/8", [0.97], "of the raw engine's tokens/s"),
    stats.plain("served/ttft_added/8", [-1.5], "ms"),
    *(stats.plain(f"served/rate/{side}/8", [250.0], "tokens/s") for side in ("http", "raw")),
    *(
        stats.plain(f"served/{what}_p{percent}/{side}/8", [percent / 10], "ms")
        for what in ("ttft", "gap")
        for side in ("http", "raw")
        for percent in (50, 95, 99)
    ),
    *(stats.plain(f"served/share/{layer}/8", [20.0], "% of the worker's time") for layer in LAYERS),
]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    stats.record([*JUDGED, *PLAIN], tmp_path / "results.json", tmp_path / "context.json")
    machine.record(machine.describe(), ["handler"], tmp_path / "machine.json")
    return tmp_path


def test_the_page_has_every_figure_and_refers_to_nothing_outside(recorded: Path) -> None:
    files = [recorded / name for name in ("results.json", "context.json", "machine.json", "index.html")]
    written = page.write(*files).read_text()
    HTMLParser().feed(written)
    for figure in (*JUDGED, *PLAIN):
        assert figure.id in written
    assert "of &lt;upstream&#x27;s&gt;" in written
    assert re.findall(r'(?:src|href)="', written) == []
    assert set(re.findall(r"https?://[^\"' <]+", written)) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize(
    "drawing",
    [
        plots.goals(JUDGED),
        plots.goals([]),
        plots.side_by_side(PLAIN[:1], "µs/token"),
        plots.side_by_side([stats.plain("a", [-3.0, 2.0, 9.0], "ms"), stats.plain("b", [0.0], "ms")], "<&>"),
        plots.side_by_side([], "none"),
        plots.shares({"8 streams": {"java": 30.0, "engine": 70.0}}, "shares"),
    ],
)
def test_pictures_are_whole_svg_and_png(drawing: plots.Drawing, tmp_path: Path) -> None:
    root = ElementTree.fromstring(drawing.svg())
    assert root.tag.endswith("}svg")
    for element in root.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert -1 <= float(element.get(name, "0")) <= drawing.width
    drawing.png(tmp_path / "a.png")
    head = (tmp_path / "a.png").read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:]) == (round(drawing.width * 2), round(drawing.height * 2))


def test_a_goal_that_is_reached_lies_right_of_the_line_and_one_that_is_not_left() -> None:
    drawing = plots.goals(JUDGED[:2])
    (line,) = [one for one in drawing.shapes if isinstance(one, plots.Line) and one.width == 1.5]
    reached, missed = [one for one in drawing.shapes if isinstance(one, plots.Dot)]
    assert missed.x < line.x1 < reached.x
    assert (reached.colour, missed.colour) == (plots.COLOURS["pass"], plots.COLOURS["short"])


def test_the_document_is_filled_between_its_marks_and_again(recorded: Path) -> None:
    target, picture = recorded / "performance.md", recorded / "performance.png"
    target.write_text(f"# Before\n\n{document.BEGIN}\nold\n{document.END}\n\nafter\n")
    files = [recorded / name for name in ("results.json", "context.json", "machine.json")]
    for _ in range(2):
        assert document.main(*files, target, picture) == 0
        text = target.read_text()
        assert text.startswith("# Before\n")
        assert text.endswith("\nafter\n")
        assert "old" not in text
        assert "| P1 | `handler/ratio/64` | 0.1 | 0.1 to 0.1 | of <upstream's> | <= 0.125 | pass |" in text
        assert "| 8 | 250.0 | 250.0 | 5.0 / 9.5 / 9.9 | 5.0 / 9.5 / 9.9 |" in text
        assert "| 8 | 20.0 | 20.0 | 20.0 | 20.0 | 20.0 |" in text
    assert picture.exists()


def test_without_a_run_the_document_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "performance.md"
    target.write_text("as it is")
    missing = tmp_path / "none.json"
    assert document.main(missing, missing, missing, target, tmp_path / "none.png") == 1
    assert "run `make bench` first" in capsys.readouterr().err
    assert target.read_text() == "as it is"


@pytest.mark.parametrize("text", ["", document.BEGIN, f"{document.END}{document.BEGIN}"])
def test_a_page_without_its_marks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        document.filled(text, "results")


def test_the_page_in_docs_has_the_marks_and_names_every_part() -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    assert document.filled(text, "results") != text
    assert [part.name for part in parts.PARTS if f"`{part.name}`" not in text] == []


def test_the_machine_reads_back(tmp_path: Path) -> None:
    described = machine.describe()
    assert described.cores >= 1
    assert described.cpu
    assert {"tokenizers", "msgspec", "orjson"} <= set(described.libraries)
    file = tmp_path / "machine.json"
    machine.record(described, ["handler"], file)
    machine.record(described, ["lookup"], file)
    assert set(machine.load(file).parts) == {"handler", "lookup"}
    assert all(value for _, value in described.lines())


def test_a_figure_without_a_verdict_is_no_goal() -> None:
    assert plots.goals([Figure("a/b", 1.0, (1.0, 1.0), "x")]).height == plots.goals([]).height
