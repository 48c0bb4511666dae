"""The dashboard and the alert rules name what is exported, and the page says what the rules are for."""

import json
import re

import pytest

from djl_trtllm.errors import RequestError
from djl_trtllm.telemetry.catalog import CATALOG
from djl_trtllm.telemetry.prometheus import Endpoint
from djl_trtllm.telemetry.readings import Sources, Start
from tests.support import promql
from tests.telemetry.test_catalog import OPERATIONS, Engine
from tests.telemetry.test_prometheus import HOST, free_port, text


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str] | None]:
    sources = Sources(start=Start("hit", 12.0, 3.0), engine=Engine())
    endpoint = Endpoint(sources, "m", HOST, free_port(), "default")
    try:
        return promql.exported(text(endpoint))
    finally:
        endpoint.close()


def test_every_query_names_what_is_exported(exported) -> None:
    assert len(promql.queries()) > 40
    assert promql.wrong(exported) == []


def test_a_query_for_something_else_is_noticed(exported) -> None:
    del exported["djl_trtllm_engine_up"]
    exported["djl_trtllm_request_errors_total"] = {"model_name"}
    faults = promql.wrong(exported)
    exported.clear()
    assert any("djl_trtllm_engine_up is not exported" in fault for fault in faults)
    assert any("djl_trtllm_request_errors_total has no label code" in fault for fault in faults)


def test_every_metric_is_on_the_dashboard() -> None:
    board = promql.DASHBOARD.read_text()
    assert [metric.name for metric in CATALOG if metric.exported not in board] == []


def test_the_dashboard_can_be_imported_anywhere() -> None:
    board = json.loads(promql.DASHBOARD.read_text())
    assert board["templating"]["list"][0]["type"] == "datasource"
    sources = re.findall(r'"uid": "([^"]*)"', promql.DASHBOARD.read_text())
    assert set(sources) == {"${datasource}", "djl-trtllm"}
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        area = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not area & taken, f"{panel['title']} lies over another panel"
        assert at["x"] + at["w"] <= 24
        taken |= area
        assert panel["type"] == "row" or panel["description"]


def test_rules_say_what_they_are_about_and_the_page_why() -> None:
    page = OPERATIONS.read_text()
    names = [rule["alert"] for rule in promql.rules()]
    assert re.findall(r"^\| `([A-Z]\w+)` \|", page, re.MULTILINE) == names
    for rule in promql.rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert re.fullmatch(r"\d+[mh]", rule.get("for", "0m"))


def test_codes_in_queries_are_codes_of_errors() -> None:
    codes = {kind.code for kind in RequestError.__subclasses__()}
    for query in promql.queries():
        for _, matchers in query.selectors():
            if "code" in matchers:
                assert set(matchers["code"].split("|")) <= codes, query.where
