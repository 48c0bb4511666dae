from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.local import properties

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1)


def test_reads_what_java_reads():
    text = """\
# a comment
! another
engine=MPI
option.model_id = some/model
option.colon: value
option.space value
option.long=one \\
    two
option.path=C:\\\\temp\\tx
option.unicode=\\u00e9
with\\ space=1
empty=
alone
"""
    assert properties.parse(text) == {
        "engine": "MPI",
        "option.model_id": "some/model",
        "option.colon": "value",
        "option.space": "value",
        "option.long": "one two",
        "option.path": "C:\\temp\tx",
        "option.unicode": "é",
        "with space": "1",
        "empty": "",
        "alone": "",
    }


def test_a_later_key_wins_and_values_are_trimmed():
    assert properties.parse("a=1  \na=2\t\n") == {"a": "2"}


def test_a_continued_line_may_look_like_a_comment():
    assert properties.parse("a=1,\\\n#2") == {"a": "1,#2"}


def test_only_javas_line_ends_and_blanks_count():
    text = "a=1\u2028b\x0bc\x85d\rb\u00a0=2\r\nc\fd\n"
    assert properties.parse(text) == {"a": "1\u2028b\x0bc\x85d", "b\u00a0": "2", "c": "d"}


def test_a_character_beyond_16_bits_is_two_escapes():
    assert properties.render({"a": "\U0001f600"}) == "a=\\ud83d\\ude00\n"
    assert properties.parse("a=\\ud83d\\ude00") == {"a": "\U0001f600"}


@given(st.dictionaries(TEXTS, TEXTS.map(str.strip)))
def test_what_is_written_reads_back(pairs):
    assert properties.parse(properties.render(pairs)) == pairs
