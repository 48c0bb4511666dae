"""A template's own text, changed so that it pays for what the sandbox has no hook for.

These are the turns of loops, `~`, slices, blocks that are set, and comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, nodes, visitor

from djl_trtllm.text import template_budget as budget

FILTERS: Mapping[str, Callable[..., Any]] = {
    "_steps": budget.steps,
    "_made": budget.made,
    "_looked_through": budget.looked_through,
}
"""What a metered template calls."""


def metered(tree: nodes.Template, environment: Environment) -> nodes.Template:
    """Change a parsed template, and return it."""
    _Meter().visit(tree)
    tree.set_environment(environment)
    return tree


class _Meter(visitor.NodeTransformer):
    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        written = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        node.iter = _filter("_steps", node.iter, nodes.Const(written // 4))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filter("_made", node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filter("_made", node) if isinstance(node.arg, nodes.Slice) else node

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.filter = _filter("_made", node.filter)
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        constant = isinstance(node.expr, nodes.Const)
        for operand in node.ops:
            searched = operand.op in ("in", "notin")
            if not isinstance(operand.expr, nodes.Const) and (searched or not constant):
                operand.expr = _filter("_looked_through", operand.expr)
        return node


def _filter(name: str, node: Any, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None)
