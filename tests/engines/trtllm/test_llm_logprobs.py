from dataclasses import dataclass

from djl_trtllm.engines.trtllm.llm_logprobs import tops, values
from djl_trtllm.engines.trtllm.sequences import NO_LOGPROB


@dataclass
class Logprob:
    logprob: float


def test_the_sampled_tokens_value_of_each_new_token() -> None:
    told = [{3: Logprob(-1.0)}, {4: Logprob(-0.5), 9: Logprob(-2.0)}, {1: Logprob(-0.1)}]
    assert values(told, [3, 9, 1], 1) == [-2.0, -0.1]


def test_plain_numbers() -> None:
    assert values([-1.0, -2.0], [3, 4], 0) == [-1.0, -2.0]


def test_what_is_not_told() -> None:
    assert values(None, [3], 0) is None
    assert values([], [3], 0) is None
    assert values([{8: Logprob(-1.0)}, None], [3, 4, 5], 0) == [NO_LOGPROB] * 3


def test_the_likeliest_in_order_and_none_besides() -> None:
    told = [{9: Logprob(-3.0)}, {7: Logprob(-2.0), 4: Logprob(-0.5), 9: Logprob(-1.0)}, None]
    assert tops(told, 1, 2) == [[(4, -0.5), (9, -1.0)], ()]
    assert tops([{4: Logprob(-0.5), 5: Logprob(float("-inf"))}], 0, 2) == [[(4, -0.5)]]
    assert tops([-1.0], 0, 2) == [()]
    assert tops(None, 0, 2) is None
