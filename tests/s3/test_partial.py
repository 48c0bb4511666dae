from pathlib import Path

from djl_trtllm.s3.client import Object
from djl_trtllm.s3.partial import Partial, arrived

WANTED = Object("weights", 10, "tag")


def test_pieces_in_any_order_become_the_file(tmp_path: Path) -> None:
    target = tmp_path / "weights"
    with Partial(target, WANTED, 4) as partial:
        assert partial.missing() == [0, 1, 2]
        assert [partial.span(number) for number in (0, 2)] == [(0, 4), (8, 10)]
        for number, data in ((2, b"89"), (0, b"0123"), (1, b"4567")):
            partial.write(partial.span(number)[0], data)
            partial.mark(number)
        assert not target.exists()
        partial.publish()
    assert target.read_bytes() == b"0123456789"
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]


def test_what_was_there_is_gone_on_with(tmp_path: Path) -> None:
    target = tmp_path / "weights"
    assert arrived(target, WANTED, 4) == 0
    with Partial(target, WANTED, 4) as partial:
        partial.write(4, b"4567")
        partial.mark(1)
        partial.write(0, b"01")  # not whole, not marked
    assert arrived(target, WANTED, 4) == 4
    with Partial(target, WANTED, 4) as partial:
        assert partial.missing() == [0, 2]


def test_pieces_of_something_else_are_not(tmp_path: Path) -> None:
    target = tmp_path / "weights"
    for other in (Object("weights", 10, "new"), Object("weights", 11, "tag")):
        with Partial(target, WANTED, 4) as partial:
            partial.mark(1)
        with Partial(target, other, 4) as partial:
            assert 1 in partial.missing()
            assert partial.part.stat().st_size == other.size
        partial.discard()
        partial.discard()
    with Partial(target, WANTED, 4) as partial:
        partial.mark(1)
    with Partial(target, WANTED, 8) as partial:
        assert partial.missing() == [0, 1]


def test_a_note_that_was_cut_off_counts_for_nothing(tmp_path: Path) -> None:
    target = tmp_path / "weights"
    big = Object("weights", 200, "tag")
    with Partial(target, big, 10) as partial:
        partial.mark(3)
        partial.mark(12)
    journal = tmp_path / "weights.done"
    journal.write_text(journal.read_text()[:-2])
    with Partial(target, big, 10) as partial:
        assert sorted({*range(20)} - {*partial.missing()}) == [3]


def test_a_part_that_is_gone_or_cut_begins_again(tmp_path: Path) -> None:
    target = tmp_path / "weights"
    with Partial(target, WANTED, 4) as partial:
        partial.mark(1)
    partial.part.write_bytes(b"x")
    with Partial(target, WANTED, 4) as partial:
        assert partial.missing() == [0, 1, 2]
    (tmp_path / "weights.done").write_bytes(b"\xff\xfe")
    assert arrived(target, WANTED, 4) == 0


def test_an_empty_file(tmp_path: Path) -> None:
    with Partial(tmp_path / "empty", Object("empty", 0, "tag"), 4) as partial:
        assert partial.missing() == []
        partial.publish()
    assert (tmp_path / "empty").read_bytes() == b""
