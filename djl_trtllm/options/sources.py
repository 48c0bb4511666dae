"""Where values come from: DJL's properties, then the environment, then what the model itself brings, then the defaults.

DJL-Serving merges `serving.properties` and `OPTION_*` into one map of properties before a worker sees them, the
file first; other fronts may not. Both are read here with the same precedence, so the result is the same. In MPI
mode DJL puts its own number over `tensor_parallel_degree`. An empty value counts as not set, because container
definitions often pass empty variables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from djl_trtllm.errors import OptionsError
from djl_trtllm.options import checks
from djl_trtllm.options.djl import is_djl_property
from djl_trtllm.options.nearest import nearest, shown
from djl_trtllm.options.secrets import clean
from djl_trtllm.options.table import ALIASES, DEFAULTS, SPECS, Options

FILE = "serving.properties"
_PREFIX = "OPTION_"


@dataclass(frozen=True, slots=True)
class _Given:
    key: str
    text: str
    source: str

    @property
    def name(self) -> str:
        return ALIASES.get(self.key, self.key)


def read(
    properties: Mapping[str, object],
    environ: Mapping[str, str],
    *,
    lowest: tuple[str, Mapping[str, str]] | None = None,
    highest: tuple[str, Mapping[str, str]] | None = None,
) -> Options:
    """Return the options of one model, or raise `OptionsError` with everything that is wrong with them.

    `properties` are those of DJL's load call (`option.` before a name does not matter). Unknown options are in
    `Options.warnings`, or errors with `unknown_options=reject`. `lowest` are a file's name and the values that
    the model brings in it; they yield to all but the defaults. `highest` are those of a command line; nothing is
    stronger.
    """
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    problems: list[str] = []
    unknown: dict[str, str] = {}
    chosen: dict[str, _Given] = {}
    for given in (*_brought(highest), *_all_given(properties, environ), *_brought(lowest)):
        if given.name not in SPECS:
            if not is_djl_property(given.key):
                unknown.setdefault(given.key.lower(), _unknown(given))
            continue
        first = chosen.setdefault(given.name, given)
        if first.key != given.key and first.source == given.source and first.text != given.text:
            problems.append(f"{_said(first)} and {_said(given)} are two names of one option with two values.")
    for name, given in chosen.items():
        kind = SPECS[name].kind
        try:
            values[name] = kind.parse(given.text)
            sources[name] = given.source
        except (ValueError, OverflowError):
            problems.append(f"{_said(given)} must be {kind.allowed}.")
    if values.get("unknown_options") == "reject":
        problems += unknown.values()
        unknown = {}
    options = Options(
        **values,  # type: ignore[arg-type]
        model_dir=str(properties.get("model_dir") or "."),
        sources=sources,
        warnings=tuple(unknown.values()),
    )
    problems += checks.problems(options, properties, chosen.keys() - sources.keys())
    if problems:
        raise OptionsError(*problems)
    return options


def early(properties: Mapping[str, object], environ: Mapping[str, str], name: str) -> object:
    """Return the value of one option before the others are read; its default where it is wrong, which `read` says."""
    for given in _all_given(properties, environ):
        if given.name == name:
            try:
                return SPECS[name].kind.parse(given.text)
            except (ValueError, OverflowError):
                break
    return DEFAULTS[name]


def _all_given(properties: Mapping[str, object], environ: Mapping[str, str]) -> Iterator[_Given]:
    """Yield every value that is set anywhere, the strongest source of an option first."""
    for key, value in properties.items():
        text = str(value).strip()
        name = key.removeprefix("option.")
        if text and not (isinstance(value, int) and value < 1 and name == "tensor_parallel_degree"):
            yield _Given(name, text, _source(name, text, environ))
    for key, value in environ.items():
        if key.startswith(_PREFIX) and len(key) > len(_PREFIX) and value.strip():
            yield _Given(key[len(_PREFIX) :].lower(), value.strip(), key)
    for name, spec in SPECS.items():
        if spec.env is not None and environ.get(spec.env, "").strip():
            yield _Given(name, environ[spec.env].strip(), spec.env)


def _brought(source: tuple[str, Mapping[str, str]] | None) -> Iterator[_Given]:
    if source is not None:
        name, values = source
        yield from (
            _Given(key.removeprefix("option."), text.strip(), name)
            for key, text in values.items()
            if text.strip()
        )


def _source(key: str, text: str, environ: Mapping[str, str]) -> str:
    """Name where a DJL property was set: a variable that holds the same text is what DJL made it from."""
    spec = SPECS.get(ALIASES.get(key, key))
    for variable in (_PREFIX + key.upper(), spec.env if spec else None):
        if variable is not None:
            held = environ.get(variable, "").strip()
            if held and (held == text or (held == "max" and key == "tensor_parallel_degree")):
                return variable
    return FILE


def _said(given: _Given) -> str:
    return f"{given.key}={shown(clean(given.text))} (from {given.source})"


def _unknown(given: _Given) -> str:
    # The value stays out: what nobody knows may be somebody's secret.
    close = nearest(given.key, (*SPECS, *ALIASES))
    hint = f"did you mean {close}?" if close else "it has no effect."
    return f"{shown(given.key)} (from {given.source}) is not an option; {hint}"
