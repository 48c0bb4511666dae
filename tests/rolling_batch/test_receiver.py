"""What chunks go to: the loop needs nothing of it but `feed`."""

from __future__ import annotations

import pytest

from djl_trtllm.core import TokenChunk
from djl_trtllm.rolling_batch.live_sequence import LiveSequence
from djl_trtllm.rolling_batch.receiver import Receiver
from djl_trtllm.rolling_batch.slot import Slot


def test_sequences_and_requests_that_have_not_begun_are_receivers() -> None:
    assert issubclass(Slot, Receiver)
    assert issubclass(LiveSequence, Receiver)
    assert Slot(1).feed(TokenChunk(1)) is True


def test_it_takes_nothing_by_itself() -> None:
    with pytest.raises(NotImplementedError):
        Receiver().feed(TokenChunk(1))
