from __future__ import annotations

from djl_trtllm.options.guide import GUIDE
from djl_trtllm.options.table import SPECS


def test_every_option_of_the_guide_is_in_the_table() -> None:
    assert set(SPECS) >= GUIDE
    assert len(GUIDE) == 29
