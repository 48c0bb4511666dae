"""The metrics of one service, from the start of its load to its end: their sources, and the two ways they are told.

Both ways read the same numbers at their own pace: Prometheus whenever it scrapes, the log at most every `SECONDS`.
"""

from __future__ import annotations

import threading

from djl_trtllm.options.table import Options
from djl_trtllm.telemetry import metric_lines
from djl_trtllm.telemetry.metric_lines import MetricLines
from djl_trtllm.telemetry.prometheus import Endpoint
from djl_trtllm.telemetry.readings import Sources, read

SECONDS = 10.0
"""Between two batches of lines in the log."""


JOIN_SECONDS = 5.0
"""At the end the last lines may find a pipe that nobody reads any more."""


class Metrics:
    """Tells the numbers in `sources` as those of `model`. `listen` and `begin` are called once, `close` at the end."""

    def __init__(self, model: str, seconds: float | None = None) -> None:
        """What follows a `?` in `model` is left out, as it might be signed.

        `seconds` is the time between two batches of lines, `SECONDS` if it is not given.
        """
        model = model.partition("?")[0]
        self._seconds = seconds or SECONDS
        self.sources = Sources()
        self._model = model
        self._lines = MetricLines(model)
        self._endpoint: Endpoint | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int | None:
        """Where Prometheus is answered; None where it is not."""
        return None if self._endpoint is None else self._endpoint.port

    def listen(self, options: Options) -> None:
        """Answer Prometheus, where option.metrics_port says so. Raises `LoadError`."""
        port = options.metrics_port
        if port is not None:
            source = options.source_of("metrics_port")
            self._endpoint = Endpoint(self.sources, self._model, options.metrics_host, port, source)

    def begin(self) -> None:
        """Write lines from now on, in a thread of their own: the last ones may be due when no step comes any more."""
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what has changed last, and stop. A second call does nothing."""
        self._over.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(JOIN_SECONDS)
        if self._endpoint is not None:
            self._endpoint.close()

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            self._write()
        self._write()

    def _write(self) -> None:
        lines = self._lines.changed(read(self.sources))
        if lines:
            metric_lines.write(lines)
