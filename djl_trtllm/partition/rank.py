"""One rank of a partitioning: `python -m djl_trtllm.partition.rank OUTCOME ARGUMENTS...` under mpirun.

How it ended goes to the file OUTCOME.<rank>: one problem a line, none where it went well.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from djl_trtllm import ranks
from djl_trtllm.compile.progress import LogProgress
from djl_trtllm.engines import tokenizers
from djl_trtllm.engines.trtllm import versions
from djl_trtllm.errors import DjlTrtllmError
from djl_trtllm.model.partitioned import Record, Source
from djl_trtllm.options.table import Options
from djl_trtllm.partition import layout, repository
from djl_trtllm.partition.job import Job
from djl_trtllm.partition.layout import Content, Layout
from djl_trtllm.service import ahead
from djl_trtllm.service.ahead import Ahead

log = logging.getLogger(__name__)


def configure_log() -> None:
    """Have every line on stdout as it is: DJL shows them, 0.32 and later only of a script that fails."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout, force=True)


def partition(job: Job, environ: Mapping[str, str]) -> None:
    """Do the job, together with the other ranks. Raises `LoadError` on all of them where it fails on one."""
    pairs = job.pairs()

    def write(made: Ahead) -> None:
        model = tokenizers.ensure(made.model, made.options, environ, progress)
        progress.stage("writing the model repository")
        source = _source(made.options)
        record = Record.of(source, made.runtime, made.options, job.repository)
        content = Content(model, record, made.options, pairs)
        chosen = job.layout or Layout.of(versions.installed())
        repository.publish(job.repository, lambda stage: layout.fill(stage, chosen, content, job.repository))
        log.info("made the model repository %s (%s layout)", job.repository, chosen.value)

    with LogProgress("partitioning", log) as progress:
        ahead.compiled(job.properties(pairs, environ), environ, progress, write, job.highest())


def _source(options: Options) -> Source:
    """Say where the model is, wherever a load is started."""
    if options.model_id is None:
        return Source(str(Path(options.model_dir).resolve()))
    for path in (Path(options.model_dir, options.model_id), Path(options.model_id)):
        if path.is_dir():
            return Source(str(path.resolve()), options.revision)
    return Source(options.model_id, options.revision)


def main() -> int:
    """Run one rank; 0 when all went well."""
    configure_log()
    outcome, *arguments = sys.argv[1:]
    rank, size = ranks.place(os.environ)
    problems: list[str] = []
    try:
        partition(Job.parse(arguments), os.environ)
    except DjlTrtllmError as error:
        problems = [*error.problems]
    except Exception as error:
        log.exception("partitioning failed")
        problems = [f"Partitioning failed: {type(error).__name__}, see above."]
    Path(f"{outcome}.{rank}").write_text("\n".join(problems), encoding="utf-8")
    if problems and size > 1:
        logging.shutdown()
        os._exit(1)  # the end of MPI would wait for ranks that may be gone
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
