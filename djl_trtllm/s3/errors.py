"""What goes wrong with S3, in one sentence each that names the way out.

    S3Error
    ├── Unreachable   no answer: the network, the endpoint, a proxy
    ├── Missing       no such bucket or object, or nothing under the prefix
    └── Changed       an object is no longer what was listed

Texts are made of addresses and of error codes only. What an SDK says is never repeated: it can hold signed URLs.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from djl_trtllm.s3.address import Address

_PLAIN = re.compile(r"[A-Za-z0-9_.]{1,60}", re.ASCII)


class S3Error(Exception):
    """Root of the tree. `str()` is whole sentences."""


class Unreachable(S3Error):
    """S3 did not answer."""


class Missing(S3Error):
    """What is asked for is not there."""


class Changed(S3Error):
    """An object was replaced or removed while it was fetched."""


_EXPIRED = (
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "TokenRefreshRequired",
    "SSOTokenLoadError",
    "UnauthorizedSSOTokenError",
    "TokenRetrievalError",
)
_UNKNOWN = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId")
_NONE = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "NoCredentialProviders",
    "ProfileNotFound",
    "ConfigNotFound",
    "SharedConfigErr",
)
_REFUSED = (
    "AccessDenied",
    "AccessDeniedException",
    "AllAccessDisabled",
    "AccountProblem",
    "Forbidden",
    "403",
)
_REGION = (
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "BucketRegionError",
    "IllegalLocationConstraintException",
    "301",
)
_GONE = ("NoSuchKey", "NotFound", "404")
_CHANGED = ("PreconditionFailed", "412", "InvalidRange", "416")
_ARCHIVED = ("InvalidObjectState",)
_CLOCK = ("RequestTimeTooSkewed",)
_NETWORK = (
    "RequestError",
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ConnectionClosedError",
    "ConnectionError",
    "HTTPClientError",
    "IncompleteReadError",
    "ResponseStreamingError",
    "ProxyConnectionError",
    "SSLError",
)

KNOWN = frozenset(
    (
        "NoSuchBucket",
        *(
            *_EXPIRED,
            *_UNKNOWN,
            *_NONE,
            *_REFUSED,
            *_REGION,
            *_GONE,
            *_CHANGED,
            *_ARCHIVED,
            *_CLOCK,
            *_NETWORK,
        ),
    )
)
"""The codes that have a sentence of their own."""


def host(url: str) -> str:
    """Return the host and port of an endpoint, without what else may stand in its URL."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "" if parts.port is None else f"{parts.hostname}:{parts.port}"
    except ValueError:
        return ""


def of(code: str, place: Address, endpoint: str = "") -> S3Error:
    """Return the error for a code of S3, or for the name of an SDK's own error, at an address.

    `endpoint` is the host that was asked, without a path or a query.
    """
    if code == "NoSuchBucket":
        return Missing(
            f"There is no bucket {place.bucket}. Check the address, and AWS_ENDPOINT_URL_S3 if it is set."
        )
    if code in _GONE:
        return Missing(f"There is no object {place}. Check the address.")
    if code in _CHANGED:
        return Changed(f"{place} was replaced while it was fetched. Start again once nothing writes there.")
    if code in _NETWORK:
        where = f" at {endpoint}" if endpoint else ""
        return Unreachable(
            f"S3 cannot be reached{where} for {place} ({code})."
            " Check the network, the proxy, AWS_REGION and AWS_ENDPOINT_URL_S3."
        )
    said = _credentials(code, place)
    if said is None and code in _REGION:
        said = f"The bucket {place.bucket} is in another region. Set AWS_REGION to that of the bucket."
    if said is None and code in _ARCHIVED:
        said = f"{place} is archived. Restore it to a storage class that can be read at once."
    if said is None and code in _CLOCK:
        said = "The clock of this machine is too far from S3's. Set it right."
    if said is None:
        shown = code if _PLAIN.fullmatch(code) else "an error without a code"
        said = f"S3 answered {shown} for {place}. Try again; if it stays, look the code up in S3's error responses."
    return S3Error(said)


def _credentials(code: str, place: Address) -> str | None:
    if code in _EXPIRED:
        return f"The AWS credentials for {place} have expired. Renew them and start again."
    if code in _UNKNOWN:
        return (
            f"The AWS credentials for {place} are not known there ({code})."
            " Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or AWS_PROFILE."
        )
    if code in _NONE:
        return (
            f"There are no AWS credentials for {place}. Give the machine or container a role, or set"
            " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
        )
    if code in _REFUSED or code.startswith("KMS."):
        return (
            f"The AWS credentials do not allow access to {place}. Allow s3:ListBucket on the bucket and s3:GetObject"
            " on its objects, s3:PutObject and s3:DeleteObject as well for a cache, and kms:Decrypt for its key."
        )
    return None
