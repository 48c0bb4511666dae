from collections.abc import Callable

from djl_trtllm.rolling_batch.items import Frames
from djl_trtllm.rolling_batch.slot import Replies, Reply

def items(
    replies: Replies, frames: Frames, odd: Callable[[str], bytes], special: Callable[[int, Reply], bytes]
) -> list[bytes]: ...
