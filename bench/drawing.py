"""Shapes, and the two ways in which they become a picture: SVG text, and PNG by Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

FONT_SIZE = 13
SCALE = 2
"""Pixels of the PNG for one unit, so that it is sharp on dense displays."""


@dataclass(frozen=True, slots=True)
class Rect:
    """A filled rectangle; a `tip` is shown under the pointer."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    colour: str
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Dot:
    """A filled circle."""

    x: float
    y: float
    radius: float
    colour: str
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text, its baseline at `y`; `anchor` is start, middle or end."""

    x: float
    y: float
    text: str
    colour: str = "#222222"
    anchor: str = "start"
    size: int = FONT_SIZE


Shape = Rect | Line | Dot | Text


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture of so many units, painted in the order of its shapes on white."""

    width: float
    height: float
    title: str
    shapes: list[Shape] = field(default_factory=list)

    def svg(self) -> str:
        """Return the picture as one SVG element, without references to anything outside."""
        size = f'width="{self.width:g}" height="{self.height:g}" viewBox="0 0 {self.width:g} {self.height:g}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif">',
                f"<title>{escape(self.title)}</title>",
                f'<rect width="{self.width:g}" height="{self.height:g}" fill="#ffffff"/>',
                *map(_svg, self.shapes),
                "</svg>",
            ]
        )

    def png(self, file: Path) -> None:
        """Write the picture as a PNG."""
        from PIL import Image, ImageDraw

        image = Image.new("RGB", (round(self.width * SCALE), round(self.height * SCALE)), "white")
        canvas = ImageDraw.Draw(image)
        for shape in self.shapes:
            _paint(canvas, shape)
        file.parent.mkdir(parents=True, exist_ok=True)
        image.save(file, optimize=True)


def _svg(shape: Shape) -> str:
    if isinstance(shape, Line):
        ends = f'x1="{shape.x1:.1f}" y1="{shape.y1:.1f}" x2="{shape.x2:.1f}" y2="{shape.y2:.1f}"'
        return f'<line {ends} stroke="{shape.colour}" stroke-width="{shape.width:g}"/>'
    if isinstance(shape, Text):
        place = f'x="{shape.x:.1f}" y="{shape.y:.1f}" text-anchor="{shape.anchor}" font-size="{shape.size}"'
        return f'<text {place} fill="{shape.colour}">{escape(shape.text)}</text>'
    tip = f"<title>{escape(shape.tip)}</title>" if shape.tip else ""
    if isinstance(shape, Dot):
        place = f'cx="{shape.x:.1f}" cy="{shape.y:.1f}" r="{shape.radius:g}"'
        return f'<circle {place} fill="{shape.colour}">{tip}</circle>'
    place = (
        f'x="{shape.x:.1f}" y="{shape.y:.1f}" width="{max(shape.width, 0):.1f}" height="{shape.height:.1f}"'
    )
    return f'<rect {place} fill="{shape.colour}">{tip}</rect>'


def _paint(canvas: object, shape: Shape) -> None:
    from PIL import ImageDraw, ImageFont

    assert isinstance(canvas, ImageDraw.ImageDraw)
    if isinstance(shape, Line):
        ends = _scaled(shape.x1, shape.y1, shape.x2, shape.y2)
        canvas.line(ends, fill=shape.colour, width=max(1, round(shape.width * SCALE)))
    elif isinstance(shape, Rect):
        corners = _scaled(shape.x, shape.y, shape.x + max(shape.width, 0), shape.y + shape.height)
        canvas.rectangle(corners, fill=shape.colour)
    elif isinstance(shape, Dot):
        x, y, r = shape.x, shape.y, shape.radius
        canvas.ellipse(_scaled(x - r, y - r, x + r, y + r), fill=shape.colour)
    else:
        font = ImageFont.load_default(shape.size * SCALE)
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[shape.anchor]
        canvas.text(_scaled(shape.x, shape.y), shape.text, fill=shape.colour, font=font, anchor=anchor)


def _scaled(*values: float) -> Sequence[float]:
    return [value * SCALE for value in values]
