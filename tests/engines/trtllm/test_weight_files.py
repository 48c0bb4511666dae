"""Safetensors as ranges of bytes: what is written is what was read, whatever types, shapes and pieces."""

import itertools
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from djl_trtllm.engines.trtllm import weight_files
from djl_trtllm.engines.trtllm.weight_files import Range, Tensor
from djl_trtllm.errors import CompileError
from tests.support import raw_checkpoints

SHAPES = st.dictionaries(
    st.text("abc._0", min_size=1, max_size=12),
    st.lists(st.integers(0, 5), max_size=3),
    max_size=6,
)


@settings(max_examples=50, deadline=None)
@given(shapes=SHAPES, dtype=st.sampled_from(sorted(raw_checkpoints.WIDTH)), buffer=st.integers(1, 9))
def test_a_file_read_and_written_is_the_same(shapes: dict[str, list[int]], dtype: str, buffer: int) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(weight_files, "_BUFFER", buffer)
        source, target = Path(name, "a.safetensors"), Path(name, "b.safetensors")
        source.write_bytes(raw_checkpoints.safetensors(shapes, dtype))
        written: list[int] = []
        weight_files.write(target, weight_files.read(source), written.append)
        assert raw_checkpoints.tensors(target) == raw_checkpoints.tensors(source)
        assert max(written, default=0) <= buffer
        assert (
            sum(written) == sum(math.prod(shape) for shape in shapes.values()) * raw_checkpoints.WIDTH[dtype]
        )
        assert int.from_bytes(target.read_bytes()[:8], "little") % 8 == 0


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_rows_put_together_again_are_the_tensor(data: st.DataObject) -> None:
    rows, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 4))
    cuts = sorted(data.draw(st.sets(st.integers(0, rows))) | {0, rows})
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name, "a.safetensors"), Path(name, "b.safetensors")
        source.write_bytes(raw_checkpoints.safetensors({"x": (2,), "w": (rows, width)}))
        tensor = weight_files.read(source)["w"]
        pieces = [piece for begin, end in itertools.pairwise(cuts) for piece in tensor.rows(begin, end)]
        weight_files.write(target, {"w": Tensor("F16", (rows, width), pieces)})
        assert raw_checkpoints.tensors(target)["w"] == raw_checkpoints.tensors(source)["w"]


def test_the_library_of_the_format_reads_what_is_written(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    source, target = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    source.write_bytes(raw_checkpoints.safetensors({"b": (3, 2), "a": (5,)}))
    weight_files.write(target, weight_files.read(source))
    found = safetensors.deserialize(target.read_bytes())
    assert {name: bytes(facts["data"]) for name, facts in found} == {
        name: data for name, (_, _, data) in raw_checkpoints.tensors(source).items()
    }


@pytest.mark.parametrize(
    "content",
    [b"", b"\x02" + bytes(7) + b"[]", b"\x05" + bytes(7) + b"{,,,}", b"\x0b" + bytes(7) + b'{"w": {"a"}'],
)
def test_what_is_no_such_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(CompileError, match=r"x\.safetensors cannot be read as safetensors"):
        weight_files.read(tmp_path / "x.safetensors")


def test_a_size_that_does_not_fit_the_shape_is_refused(tmp_path: Path) -> None:
    header = b'{"w":{"dtype":"F16","shape":[4],"data_offsets":[0,6]}}'
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(6))
    with pytest.raises(CompileError, match="w has 6 bytes, which is not F16"):
        weight_files.read(tmp_path / "x.safetensors")


def test_a_file_that_ends_within_a_tensor_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"123")
    tensor = Tensor("I8", (9,), [Range(tmp_path / "short", 0, 9)])
    with pytest.raises(CompileError, match="short ends within a tensor"):
        weight_files.write(tmp_path / "out", {"w": tensor})
