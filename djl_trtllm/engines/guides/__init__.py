"""Whether an answer can be bound to a guide: what every engine asks before a guide comes near its running sequences.

`problem` reads the text alone. `GuideChecker` compiles it as well, in a process of its own, where the library that
engines enforce guides with (xgrammar) can be imported. No message holds any of a client's text.
"""

from djl_trtllm.engines.guides.checker import GuideChecker
from djl_trtllm.engines.guides.problems import problem

__all__ = ["GuideChecker", "problem"]
