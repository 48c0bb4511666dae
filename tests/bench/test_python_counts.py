import sys

from bench import python_counts


def added(numbers: range) -> int:
    total = 0
    for number in numbers:
        total += abs(number)
    return total


def test_calls_of_python_and_c_are_counted() -> None:
    once = python_counts.calls(lambda: added(range(1)))["calls"]
    assert python_counts.calls(lambda: added(range(11)))["calls"] == once + 10
    assert python_counts.calls(lambda: None)["calls"] == 1
    assert sys.getprofile() is None


def test_bytecode_grows_with_what_is_run_and_is_the_same_each_time() -> None:
    few, more, most = (python_counts.bytecodes(lambda n=n: added(range(n)))["bytecodes"] for n in (1, 11, 21))
    assert most - more == more - few > 10
    assert python_counts.bytecodes(lambda: added(range(11)))["bytecodes"] == more


def test_what_is_kept_and_what_was_there_in_between_are_told_apart() -> None:
    kept: list[bytes] = []

    def work() -> None:
        kept.extend(bytes(1000 + n) for n in range(10))
        _ = bytes(50_000)

    found = python_counts.memory(work)
    assert 10 <= found["blocks"] <= 30
    assert 10_000 <= found["bytes"] <= 15_000
    assert 60_000 <= found["peak"] <= 70_000
