"""What Prometheus queries name: metrics with their label matchers, and the labels that results are grouped by."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

GRAFANA = Path(__file__).parents[2] / "docs" / "grafana"
DASHBOARD = GRAFANA / "djl-trtllm.json"
ALERTS = GRAFANA / "alerts.yaml"

TARGET = {"instance", "job"}
"""Labels that Prometheus adds to whatever it scrapes."""

_SELECTOR = re.compile(r"\b((?:djl_trtllm|process)_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
_GROUPED = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
_SHOWN = re.compile(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}")


@dataclass(frozen=True)
class Query:
    """One query: where it stands, its text, and the labels that are shown of its results."""

    where: str
    text: str
    shown: frozenset[str] = frozenset()

    def selectors(self) -> Iterator[tuple[str, dict[str, str]]]:
        """The metrics it names, each with its matchers."""
        for name, matchers in _SELECTOR.findall(self.text):
            yield name, dict(_MATCHER.findall(matchers))

    def grouped(self) -> set[str]:
        """The labels that are left of its results, as far as it says so."""
        return {label.strip() for group in _GROUPED.findall(self.text) for label in group.split(",")}


def queries() -> list[Query]:
    """Every query of the dashboard and of the alert rules."""
    board = json.loads(DASHBOARD.read_text())
    found = [
        Query(panel["title"], target["expr"], frozenset(_SHOWN.findall(target["legendFormat"])))
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            shown = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            assert shown, variable
            found.append(Query(variable["name"], shown[1], frozenset([shown[2]])))
    for rule in rules():
        said = frozenset(_SHOWN.findall(rule["annotations"]["summary"]))
        found.append(Query(rule["alert"], rule["expr"], said))
    return found


def rules() -> list[dict]:
    """The alert rules."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def wrong(exported: dict[str, set[str] | None]) -> list[str]:
    """What queries name that is not `exported`: series by name with their labels, None where none is there yet."""
    faults = []
    for query in queries():
        names = list(query.selectors())
        if not names:
            faults.append(f"{query.where}: names no metric")
        if query.text.count("(") != query.text.count(")"):
            faults.append(f"{query.where}: parentheses")
        for name, matchers in names:
            if name not in exported:
                faults.append(f"{query.where}: {name} is not exported")
                continue
            labels = exported[name]
            if labels is None:
                continue
            known = labels | TARGET
            unknown = (matchers.keys() | query.grouped()) - known
            faults += [f"{query.where}: {name} has no label {label}" for label in sorted(unknown)]
            gone = query.shown - (query.grouped() or known)
            faults += [f"{query.where}: {label} is not left of {name}" for label in sorted(gone)]
    return faults


def exported(text: str) -> dict[str, set[str] | None]:
    """The series of a scrape, by name, with their labels."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, set[str] | None] = {}
    for family in text_string_to_metric_families(text):
        total = f"{family.name}_total" if family.type == "counter" else family.name
        found.setdefault(total, None)
        for sample in family.samples:
            labels = found.get(sample.name) or set()
            found[sample.name] = labels | set(sample.labels)
    return found
