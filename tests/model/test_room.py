from pathlib import Path

import pytest

from djl_trtllm.errors import ModelNotFound
from djl_trtllm.model import room
from djl_trtllm.options import places


def test_what_fits_and_what_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "free_bytes", lambda path: room.MARGIN + 100)
    room.check(100, tmp_path, "the model", "set it elsewhere")
    with pytest.raises(ModelNotFound) as caught:
        room.check(5 << 30, tmp_path, "the model", "set it elsewhere")
    assert str(caught.value) == (
        f"Downloading the model needs 5.0 GiB in {tmp_path} and 256 MiB to spare, and 256 MiB are free."
        " Free some, or set it elsewhere."
    ).replace("256 MiB", places.size(room.MARGIN))
    monkeypatch.setattr(places, "free_bytes", lambda path: 0)
    room.check(0, tmp_path, "the model", "set it elsewhere")
