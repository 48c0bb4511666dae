"""Downloads from the Hugging Face hub. Mirrors, tokens and offline mode are huggingface_hub's own environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from djl_trtllm.core import Progress
from djl_trtllm.errors import ModelNotFound

CHECKPOINT_FILES = (
    "*.json",
    "*.safetensors",
    "*.model",
    "*.tiktoken",
    "*.txt",
    "*.jinja",
    "openvino_model.*",
)


def download(
    repo: str, revision: str | None, wanted: Sequence[str], environ: Mapping[str, str], progress: Progress
) -> Path:
    """Return the local snapshot of a hub repository; files that are here already are not fetched again.

    Only files at the top of the repository are taken. Raises `ModelNotFound` saying what to do; without a
    network, a snapshot fetched earlier is used.
    """
    import huggingface_hub
    from huggingface_hub import errors

    progress.stage(f"fetching {repo} from the hub")
    name = repo if revision is None else f"{repo}@{revision}"
    try:
        path = huggingface_hub.snapshot_download(
            repo_id=repo, revision=revision, allow_patterns=list(wanted), ignore_patterns=["*/*"]
        )
    except errors.GatedRepoError as error:
        raise ModelNotFound(
            f"{name} is gated. Accept its terms on the hub and set HF_TOKEN to a token of that account."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelNotFound(f"{repo} has no revision {revision!r}. Check option.revision.") from error
    except errors.RepositoryNotFoundError as error:
        raise ModelNotFound(
            f"The hub has no model {name}, or it is private."
            " Check option.model_id; for a private model set HF_TOKEN."
        ) from error
    except errors.LocalEntryNotFoundError as error:
        offline = environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
        cause = "HF_HUB_OFFLINE is set" if offline else "the hub cannot be reached from here"
        raise ModelNotFound(
            f"{name} is not a directory here and was not downloaded before, and {cause}."
            " Give a local directory as option.model_id, or download the model first."
        ) from error
    except (errors.HfHubHTTPError, OSError) as error:
        raise ModelNotFound(f"{name} could not be fetched from the hub ({type(error).__name__}).") from error
    return Path(path)
