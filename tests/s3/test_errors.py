import pytest

from djl_trtllm.s3 import errors
from djl_trtllm.s3.address import Address

PLACE = Address("models", "llama")


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("NoSuchBucket", errors.Missing, "no bucket models"),
        ("NoSuchKey", errors.Missing, "no object s3://models/llama"),
        ("412", errors.Changed, "was replaced"),
        ("EndpointConnectionError", errors.Unreachable, "cannot be reached at host:1 .*AWS_ENDPOINT_URL_S3"),
        ("ExpiredToken", errors.S3Error, "have expired. Renew them"),
        ("SignatureDoesNotMatch", errors.S3Error, "not known there.*AWS_ACCESS_KEY_ID"),
        ("NoCredentialsError", errors.S3Error, "no AWS credentials"),
        ("AccessDenied", errors.S3Error, "s3:ListBucket.*s3:GetObject"),
        ("KMS.DisabledException", errors.S3Error, "kms:Decrypt"),
        ("PermanentRedirect", errors.S3Error, "another region. Set AWS_REGION"),
        ("InvalidObjectState", errors.S3Error, "archived. Restore"),
        ("RequestTimeTooSkewed", errors.S3Error, "clock"),
        ("SlowDown", errors.S3Error, "answered SlowDown"),
        ("https://x/?X-Amz-Signature=hidden", errors.S3Error, "an error without a code"),
    ],
)
def test_every_code_has_a_sentence(code: str, kind: type[errors.S3Error], words: str) -> None:
    error = errors.of(code, PLACE, "host:1")
    assert type(error) is kind
    with pytest.raises(errors.S3Error, match=words):
        raise error
    assert "hidden" not in str(error)


def test_a_host_is_all_that_is_said_of_an_endpoint() -> None:
    assert errors.host("https://user:hidden@s3.local:9000/path?q=1") == "s3.local:9000"
    assert errors.host("https://s3.amazonaws.com") == "s3.amazonaws.com"
    assert errors.host("http://[broken") == ""
