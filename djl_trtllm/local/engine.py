"""DJL's own Java engine, driven from Python: load a model directory, send a request, read its answer in parts.

Process supervision, the rolling batch, mpirun and the wire protocol are DJL's. `predict` and `Answer.next` block the
calling thread (JPype releases the GIL meanwhile), so a stream needs a thread while it runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from djl_trtllm.errors import LoadError
from djl_trtllm.local import last_chunk

POLL_SECONDS = 1.0
"""How long one blocking wait for a chunk lasts, so that a thread notices `Engine.close` soon."""


class PredictError(Exception):
    """Java refused a request. `kind` is the Java exception's simple name, as DJL-Serving's error bodies show it."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message


class ChunkTimeout(Exception):
    """No chunk came within the chunk timeout: the worker died or hangs."""


@dataclass(slots=True)
class Part:
    """One chunk of an answer. The head fields are right from the first part on and may be ignored later.

    `status` is the handler's `code` (200 without one), `reason` the status line's text or "".
    """

    data: bytes
    last: bool
    status: int = 200
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Answer:
    """What Java's Output holds: whole content, or chunks that arrive over time."""

    def __init__(self, engine: Engine, output: Any) -> None:
        self._engine = engine
        self._output = output
        self._data = output.getData()
        self._chunked = isinstance(self._data, engine.chunked_type)
        self._first = True

    def next(self, timeout: float) -> Part:
        """Return the next part, waiting for it at most `timeout` seconds. Call no more after the last one."""
        if not self._chunked:
            data = b"" if self._data is None else bytes(self._data.getAsBytes())
            return self._part(data, True)
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            try:
                chunk = self._data.nextChunk(
                    max(1, int(min(left, POLL_SECONDS) * 1000)), self._engine.milliseconds
                )
            except self._engine.state_error as waited:
                if "timeout" not in str(waited.getMessage()).lower():
                    raise
                if left <= POLL_SECONDS or self._engine.closed:
                    raise ChunkTimeout from None
                continue
            return self._part(bytes(chunk), self._ended())

    def _ended(self) -> bool:
        if self._data.hasNext():
            return False
        self._engine.handed_out()
        return not self._data.hasNext()

    def _part(self, data: bytes, last: bool) -> Part:
        if not self._first:
            return Part(data, last)
        self._first = False
        status = int(self._output.getCode())
        reason = "" if status == 200 else str(self._output.getMessage() or "")
        headers = {str(e.getKey()): str(e.getValue()) for e in self._output.getProperties().entrySet()}
        return Part(data, last, status, reason, headers)


class Engine:
    """One loaded model of DJL's Python or MPI engine. The JVM must be running."""

    def __init__(self) -> None:
        import jpype

        self._jpype = jpype
        self._input_type = jpype.JClass("ai.djl.modality.Input")
        self._bytes = jpype.JClass("ai.djl.ndarray.BytesSupplier")
        self._byte_array = jpype.JArray(jpype.JByte)
        self.chunked_type = jpype.JClass("ai.djl.inference.streaming.ChunkedBytesSupplier")
        self.milliseconds = jpype.JClass("java.util.concurrent.TimeUnit").MILLISECONDS
        self.state_error = jpype.JClass("java.lang.IllegalStateException")
        self._model: Any = None
        self._predictor: Any = None
        self.handed_out: Callable[[], None] = lambda: None
        self.closed = False

    def load(self, directory: Path, engine: str, options: Mapping[str, str]) -> None:
        """Load `directory` with DJL's `engine` ("Python" or "MPI"); blocks until the worker's load call returned.

        `options` (without the `option.` prefix) win over the directory's serving.properties. Raises LoadError with
        the worker's own sentence where it gave one.
        """
        jclass = self._jpype.JClass
        output_type = jclass("ai.djl.modality.Output")
        factory = jclass("ai.djl.translate.NoopServingTranslatorFactory")()
        translator = factory.newInstance(self._input_type, output_type, None, jclass("java.util.Map").of())
        criteria = (
            jclass("ai.djl.repository.zoo.Criteria")
            .builder()
            .setTypes(self._input_type, output_type)
            .optModelPath(jclass("java.nio.file.Paths").get(str(directory)))
            .optEngine(engine)
            .optTranslator(translator)
        )
        for name, value in options.items():
            criteria = criteria.optOption(name, value)
        try:
            self._model = criteria.build().loadModel()
            self._predictor = self._model.newPredictor()
            self.handed_out = last_chunk.handed_out(self._predictor)
        except self._jpype.JException as problem:
            raise LoadError(load_sentence(problem)) from None

    def predict(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one request; blocks until Java took it. Raises PredictError when Java refused it."""
        given = self._input_type()
        for name, value in headers.items():
            given.addProperty(name, value)
        given.add("data", self._bytes.wrap(self._byte_array(body)))
        try:
            return Answer(self, self._predictor.predict(given))
        except self._jpype.JException as problem:
            kind = str(problem.getClass().getSimpleName())
            # DJL-Serving answers its TranslateException with 400 (observed, 0.36.0), everything else with 500.
            status = 400 if kind == "TranslateException" else 500
            raise PredictError(status, kind, str(problem.getMessage() or kind)) from None

    def close(self) -> None:
        """Close the model; its workers end when the JVM does, if not before."""
        self.closed = True
        for part in (self._predictor, self._model):
            if part is not None:
                part.close()
        self._predictor = self._model = None


def load_sentence(problem: Any) -> str:
    """Return the most telling message of a Java exception: the innermost cause that has one."""
    best, cause = str(problem.getMessage() or problem.getClass().getSimpleName()), problem.getCause()
    while cause is not None:
        if cause.getMessage():
            best = str(cause.getMessage())
        cause = cause.getCause()
    prefix = "Failed to initialize model: "
    return best.removeprefix(prefix).strip().replace("\n", " ")
