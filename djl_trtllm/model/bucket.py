"""Models that lie in S3, from the text of an option to a directory on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.core import Progress
from djl_trtllm.errors import ModelNotFound
from djl_trtllm.model import fetched, mirror
from djl_trtllm.model.mirror import Choice, Mirror
from djl_trtllm.options import places
from djl_trtllm.s3 import address, client
from djl_trtllm.s3.errors import S3Error

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options


def fetch(
    name: str,
    option: str,
    choose: Choice,
    options: Options,
    environ: Mapping[str, str],
    progress: Progress,
) -> Path:
    """Return a directory below the cache directory with the chosen files of the address `name`, as they are now.

    `ModelNotFound` names the option, and says nothing of credentials. DJL-Serving fetches an `option.model_id` in S3
    itself before the handler starts; it is read here where something else starts the handler.
    """
    root = places.cache_directory(options.cache_dir, environ) / fetched.DIRECTORY
    try:
        place = address.parse(name)
    except ValueError as error:
        raise ModelNotFound(f"option.{option} is no address in S3: {error}.") from None

    try:
        progress.stage(f"listing {place}")
        return Mirror(place, root, option).follow(client.connect(environ), choose, progress)
    except S3Error as error:
        raise ModelNotFound(f"option.{option}={place}: {error}") from error
    except OSError as error:
        raise mirror.problem(error, root) from error
