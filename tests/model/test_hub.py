from pathlib import Path

import httpx
import huggingface_hub
import pytest
from huggingface_hub import errors

from djl_trtllm.errors import ModelNotFound
from djl_trtllm.model import hub
from tests.support.plans import Stages

RESPONSE = httpx.Response(404, request=httpx.Request("GET", "http://localhost/"))


def download(environ: dict[str, str] | None = None, revision: str | None = None) -> Path:
    return hub.download("owner/name", revision, ["*.json"], environ or {}, Stages())


@pytest.mark.parametrize(
    ("error", "environ", "words"),
    [
        (errors.GatedRepoError("x", response=RESPONSE), {}, "is gated.*HF_TOKEN"),
        (errors.RevisionNotFoundError("x", response=RESPONSE), {}, "no revision 'v1'"),
        (
            errors.RepositoryNotFoundError("x", response=RESPONSE),
            {},
            r"no model owner/name@v1.*option\.model_id",
        ),
        (errors.LocalEntryNotFoundError("x"), {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
        (errors.LocalEntryNotFoundError("x"), {}, "the hub cannot be reached"),
        (OSError(28, "No space left on device"), {}, r"could not be fetched from the hub \(OSError\)"),
    ],
)
def test_every_failure_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception, environ: dict[str, str], words: str
) -> None:
    def broken(**arguments: object) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", broken)
    with pytest.raises(ModelNotFound, match=words):
        download(environ, revision="v1")


def test_a_snapshot_takes_only_files_at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def snapshot(**arguments: object) -> str:
        asked.update(arguments)
        return "/snapshots/1"

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert download() == Path("/snapshots/1")
    assert asked["ignore_patterns"] == ["*/*"]
    assert asked["allow_patterns"] == ["*.json"]
