"""What the script is asked for: its arguments, and the properties that a load of the same model would get."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from djl_trtllm.engines.trtllm import versions
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import LoadError
from djl_trtllm.local import properties
from djl_trtllm.partition.layout import Layout

ARGUMENTS = "the arguments of trt_llm_partition.py"
"""How their values are called where a message says where an option's value is from."""

_FILE = "serving.properties"
_SLOTS = "max_rolling_batch_size"
_LMI_SLOTS = "256"

DESCRIPTION = """\
Compile a model as a load of it would, and write a model repository that DJL-Serving and the handler take.

Options come from serving.properties in --properties_dir and from OPTION_* variables, the file first.
"""


@dataclass(frozen=True, slots=True)
class Job:
    """One model to partition. `pipeline_parallel` None is DJL 0.27 and 0.28, which do not say it."""

    properties_dir: Path
    repository: Path
    tensor_parallel: int
    pipeline_parallel: int | None
    model: str | None
    layout: Layout | None

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> Job:
        """Read a command line; ends the process with status 2 for one that is wrong."""
        args = _parser().parse_args(arguments)
        return cls(
            properties_dir=args.properties_dir.absolute(),
            repository=args.trt_llm_model_repo.absolute(),
            tensor_parallel=max(args.tensor_parallel_degree, 1),
            pipeline_parallel=args.pipeline_parallel_degree,
            model=args.model_path,
            layout=Layout(args.layout) if args.layout else None,
        )

    @property
    def ranks(self) -> int:
        """How many ranks compile."""
        return self.tensor_parallel * (self.pipeline_parallel or 1)

    def pairs(self) -> dict[str, str]:
        """Return what serving.properties says; nothing where there is none. Raises `LoadError`."""
        file = self.properties_dir / _FILE
        if not file.is_file():
            return {}
        try:
            return properties.parse(file.read_text(encoding="utf-8", errors="replace"))
        except OSError as error:
            raise LoadError(f"{file} cannot be read ({error.strerror}).") from error

    def properties(self, pairs: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, object]:
        """Return what DJL would pass to a load."""
        passed: dict[str, object] = {k: v for k, v in pairs.items() if k.startswith("option.")}
        if self.pipeline_parallel is None and _lacks(_SLOTS, pairs, environ):
            slots = _recommended(versions.installed(), pairs, environ)
            passed.update({f"option.{_SLOTS}": slots} if slots else {})
        return {**passed, "model_dir": str(self.properties_dir)}

    def highest(self) -> tuple[str, dict[str, str]]:
        """Return the arguments as a source of options."""
        values = {"tensor_parallel_degree": str(self.tensor_parallel)}
        if self.pipeline_parallel is not None:
            values["pipeline_parallel_degree"] = str(self.pipeline_parallel)
        if self.model is not None:
            values["model_id"] = self.model
        return ARGUMENTS, values


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trt_llm_partition.py",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--properties_dir", type=Path, required=True, metavar="DIR", help="the one with serving.properties"
    )
    parser.add_argument(
        "--trt_llm_model_repo", type=Path, required=True, metavar="DIR", help="where the repository is made"
    )
    parser.add_argument(
        "--tensor_parallel_degree",
        type=_degree,
        required=True,
        metavar="N",
        help="GPUs a layer is split over",
    )
    parser.add_argument(
        "--pipeline_parallel_degree", type=_degree, metavar="N", help="stages the layers are split into (1)"
    )
    parser.add_argument("--model_path", metavar="MODEL", help="a directory or a hub id (option.model_id)")
    parser.add_argument(
        "--layout",
        choices=[layout.value for layout in Layout],
        help="lmi for LMI 0.27 to 0.32, flat for 0.33 and later (what the TensorRT-LLM here goes with)",
    )
    return parser


def _degree(text: str) -> int:
    # DJL passes its count of GPUs, which is 0 on a machine without.
    if not text.isdecimal() or int(text) > 1024:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1024")
    return int(text)


def _lacks(name: str, pairs: Mapping[str, str], environ: Mapping[str, str]) -> bool:
    return not pairs.get(f"option.{name}") and not environ.get(f"OPTION_{name.upper()}")


def _recommended(release: Release | None, pairs: Mapping[str, str], environ: Mapping[str, str]) -> str | None:
    """Return the slots that DJL 0.27 and 0.28 will ask the load for: they set them without telling this script.

    From LmiConfigRecommender.setRollingBatchSize for rolling_batch=trtllm: 256, in 0.27 only with max_num_tokens.
    """
    if release is None or (release.major, release.minor) not in ((0, 8), (0, 9)):
        return None
    told = release.minor == 9 or not _lacks("max_num_tokens", pairs, environ)
    return _LMI_SLOTS if told else None
