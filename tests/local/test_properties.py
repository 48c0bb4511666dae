from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.local import properties

KEYS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\f\v\x1c\x1d\x1e\x85\u2028\u2029"), min_size=1
)


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


@given(st.dictionaries(st.from_regex(r"[a-zA-Z.:# =!_]+", fullmatch=True), KEYS.map(str.strip)))
def test_what_is_written_reads_back(pairs):
    bmp = {k: v for k, v in pairs.items() if all(ord(c) < 0x10000 for c in v)}
    assert properties.parse(properties.render(bmp)) == bmp
