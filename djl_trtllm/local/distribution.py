"""A full DJL-Serving distribution in this front's place, where DJL_SERVING_HOME names one."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from djl_trtllm.errors import LoadError
from djl_trtllm.local import cudart, properties, workspace
from djl_trtllm.local.deployment import PROPERTIES, Deployment, deployment
from djl_trtllm.local.server import Settings, prepare_environment


def run(home: Path, settings: Settings, say: Callable[[str], None]) -> int:
    """Run the distribution's bin/serve on the same model until it ends; returns its exit code.

    It gets a model directory of its own: links to the model's files, and a serving.properties with every option
    merged, because a command line has no other way into it. SIGTERM and SIGINT are handed on.
    """
    program = home / "bin" / "serve"
    if not os.access(program, os.X_OK):
        raise LoadError(
            f"DJL_SERVING_HOME={home} holds no executable bin/serve: unset it to use the local front."
        )
    with workspace.scratch() as scratch:
        model = deployment(settings.model, scratch, settings.options or {}, os.environ, cudart.gpu_count())
        environ = dict(os.environ)
        address = f"http://{settings.host}:{settings.port}"
        environ["SERVING_INFERENCE_ADDRESS"] = environ["SERVING_MANAGEMENT_ADDRESS"] = address
        library_path = prepare_environment(environ, model, scratch, workspace.cache_root(os.environ))
        if library_path is not None:
            environ["JAVA_OPTS"] = f"{environ.get('JAVA_OPTS', '')} -Djna.library.path={library_path}".strip()
        directory = model_directory(model, scratch / "served")
        command = [str(program), "-m", f"{settings.name}={directory.as_uri()}"]
        say(f"starting {program} on {address}")
        return _run(command, environ)


def model_directory(model: Deployment, directory: Path) -> Path:
    """Make `directory` serve `model` by itself: links to its files and the merged options as serving.properties.

    One worker, as both engines of this project batch inside it; DJL-Serving would start a second one under load.
    """
    directory.mkdir()
    for entry in model.directory.iterdir():
        if entry.name != PROPERTIES:
            (directory / entry.name).symlink_to(entry)
    lines = {
        "engine": model.engine,
        "minWorkers": "1",
        "maxWorkers": "1",
        "job_queue_size": str(model.queue_size),
        **{f"option.{name}": value for name, value in model.options.items()},
    }
    (directory / PROPERTIES).write_text(properties.render(lines))
    return directory


def _run(command: list[str], environ: dict[str, str]) -> int:
    child = subprocess.Popen(command, env=environ, start_new_session=True)

    def hand_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    former = {number: signal.signal(number, hand_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        code = child.wait()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code
