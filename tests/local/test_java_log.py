import os
import time

import pytest

from djl_trtllm.local.java_log import JavaLog, Reader

NOISE = """\
INFO Start process: 19000 - retry: 0
INFO Creating new python process in rolling batch mode
INFO W-10942-echo_model-stdout: INFO::10942 - djl_python_engine started with args: ['--sock-type', 'unix']
INFO W-10942-echo_model-stdout: INFO::Python engine started.
INFO W-10942-echo-stdout: [1,0]<stdout>: Python engine started.
INFO Model [echo_model] initialized.
\tat java.base/java.lang.Thread.run(Unknown Source)
INFO W-1-m-stdout: ERROR::Python engine process died
INFO W-1-m-stdout: Traceback (most recent call last):
INFO W-1-m-stdout:   File "x.py", line 1, in main
INFO W-1-m-stdout: ValueError: Connection disconnected
INFO W-1-m-stdout: INFO::1 - Python process finished
INFO Stop process: -1:10942, failure=false
"""


def read(text: str) -> tuple[list[str], str]:
    said: list[str] = []
    reader = Reader(said.append)
    for line in text.splitlines():
        reader.line(line)
    return said, reader.failure


def test_what_says_nothing_is_left_out():
    assert read(NOISE) == ([], "")


def test_prefixes_go():
    said, _ = read(
        "INFO W-1-my-model-stdout: INFO::compiling: 40 %\n"
        "WARN W-1-my-model-stderr: a warning\n"
        "INFO W-1-m-stdout: [1,0]<stdout>: rank zero\n"
        "INFO W-1-m-stdout: [1,1]<stdout>: INFO::rank one\n"
        "WARN MPI worker may have gone down unexpectedly\n"
    )
    assert said == [
        "worker: compiling: 40 %",
        "worker: a warning",
        "worker: rank zero",
        "worker 1: rank one",
        "djl: MPI worker may have gone down unexpectedly",
    ]


def test_a_traceback_is_shown_whole_and_remembered():
    said, failure = read(
        "INFO W-1-m-stdout: ERROR::Failed invoke service.invoke_handler()\n"
        "INFO W-1-m-stdout: Traceback (most recent call last):\n"
        "INFO W-2-other-stdout: meanwhile\n"
        'INFO W-1-m-stdout:   File "x.py", line 1, in main\n'
        "INFO W-1-m-stdout: KeyError: 'x'\n"
    )
    assert failure == "KeyError: 'x'"
    assert said == [
        "worker: Failed invoke service.invoke_handler()",
        "worker: meanwhile",
        "worker: Traceback (most recent call last):",
        'worker:   File "x.py", line 1, in main',
        "worker: KeyError: 'x'",
    ]


def test_the_exception_that_djl_0_25_fails_to_log():
    _, failure = read(
        "INFO W-1-m-stdout: Traceback (most recent call last):\n"
        "INFO W-1-m-stdout: TypeError: not all arguments converted during string formatting\n"
        "INFO W-1-m-stdout: Arguments: (ValueError('no luck'),)\n"
    )
    assert failure == "ValueError('no luck')"


def test_why_a_model_was_not_loaded_is_remembered_in_the_words_of_rank_0():
    _, failure = read(
        "INFO W-1-m-stdout: [1,0]<stdout>: ERROR djl_trtllm the model was not loaded: Rank 1 failed: Out of memory.\n"
        "INFO W-1-m-stdout: [1,1]<stdout>: ERROR djl_trtllm the model was not loaded: Out of memory.\n"
    )
    assert failure == "Rank 1 failed: Out of memory."


@pytest.mark.parametrize("said", ["Out of memory.", "Rank 3 failed: Out of memory."])
def test_before_rank_0_has_said_it_another_rank_is_named(said):
    line = f"INFO W-1-m-stdout: [1,3]<stdout>: ERROR djl_trtllm the model was not loaded: {said}\n"
    assert read(line)[1] == "Rank 3 failed: Out of memory."


def test_records_of_json_are_handed_on_as_they_are_and_tell_why_a_model_was_not_loaded():
    leader = '{"time":"t","level":"ERROR","message":"the model was not loaded: Rank 1 failed: no memory."}'
    follower = '{"time":"t","level":"ERROR","message":"the model was not loaded: no memory.","rank":1}'
    said, failure = read(
        f"INFO W-1-m-stdout: [1,0]<stdout>: {leader}\n"
        f"INFO W-1-m-stdout: [1,1]<stdout>: {follower}\n"
        'INFO W-1-m-stdout: {"time": no record\n'
        'INFO W-1-m-stdout: {"time":1,"message":2}\n'
    )
    assert failure == "Rank 1 failed: no memory."
    assert said == [leader, follower, 'worker: {"time": no record', 'worker: {"time":1,"message":2}']


def test_of_an_exception_in_a_record_its_last_line_is_remembered():
    _, failure = read(
        'INFO W-1-m-stdout: {"time":"t","message":"the model was not loaded",'
        '"traceback":["Traceback (most recent call last):","x.py:1 in main","KeyError: \'x\'"]}\n'
    )
    assert failure == "KeyError: 'x'"


def test_what_mpirun_saw_of_a_killed_rank_is_remembered():
    _, failure = read(
        "WARN W-1-m-stderr: prterun noticed that process rank 1 with PID 123 on node vm exited on\n"
        "WARN W-1-m-stderr: signal 9 (Killed).\n"
        "WARN W-1-m-stderr: ------\n"
    )
    assert failure == "process rank 1 exited on signal 9 (Killed)."


def test_the_pipe():
    said: list[str] = []
    log = JavaLog(said.append)
    os.write(log.write_fd, b"WARN one\n")
    deadline = time.monotonic() + 5
    while not said and time.monotonic() < deadline:
        time.sleep(0.01)
    log.quiet = True
    os.write(log.write_fd, b"WARN two\xff\n")
    os.close(log.write_fd)
    log.thread.join(5)
    assert said == ["djl: one"]
