import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.s3 import address
from djl_trtllm.s3.address import Address


@pytest.mark.parametrize(
    ("text", "bucket", "prefix"),
    [
        ("s3://models", "models", ""),
        ("s3://models/", "models", ""),
        ("S3://my.models-1/llama 3/8b/", "my.models-1", "llama 3/8b"),
        ("s3://models/a/b//", "models", "a/b"),
    ],
)
def test_addresses(text: str, bucket: str, prefix: str) -> None:
    found = address.parse(text)
    assert found == Address(bucket, prefix)
    assert address.parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/models", "does not begin with s3://"),
        ("https://models.s3.amazonaws.com/a", "does not begin with s3://"),
        ("s3:///a", "no bucket's name"),
        ("s3://a/b", "no bucket's name"),
        ("s3://bücket/b", "no bucket's name"),
        ("s3://" + "b" * 64, "no bucket's name"),
        ("s3://models/a/../../b", "no path"),
        ("s3://models//a", "no path"),
        ("s3://models/a\nb", "no path"),
        ("s3://models/a\\b", "no path"),
        ("s3://models/" + "a" * 1025, "no path"),
        ("s3://models/a*", "wildcard"),
        ("s3://models/a?X-Amz-Signature=hidden", "wildcard or a query"),
        ("s3://AKIAKEY:hidden@models/a", "AWS_ACCESS_KEY_ID"),
    ],
)
def test_what_is_no_address(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        address.parse(text)
    assert "hidden" not in str(caught.value)


def test_names_below_an_address() -> None:
    assert str(Address("models") / "a") == "s3://models/a"
    assert (Address("models", "x") / "a/b").prefix == "x/a/b"


@given(st.text(alphabet="ab./\\\n ", max_size=12))
def test_safe_names_stay_below_a_directory(name: str) -> None:
    if address.is_safe(name):
        assert not name.startswith("/")
        assert name == "/".join(part for part in name.split("/") if part not in ("", ".", ".."))
