"""Draws the integration's icon and logo: a sun that smiles over a panel. Needs Pillow.

    python custom_components/brand.py

writes icon.png, icon@2x.png and logo.png into hoymiles_smiles/brand, where Home Assistant finds them.
"""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageDraw

TARGET = Path(__file__).parent / "hoymiles_smiles" / "brand"
# Everything is drawn this much larger and then made smaller, which is what smooths the edges.
OVERSAMPLING = 4
SUN, RAY, FACE = "#f9b233", "#f5a000", "#5b3a00"
PANEL, CELL, EDGE = "#12355b", "#1f5f99", "#0b2239"


def draw(size: int) -> Image.Image:
    """Return the icon, `size` pixels wide and high, with a transparent background."""
    unit = size * OVERSAMPLING / 100
    image = Image.new("RGBA", (size * OVERSAMPLING, size * OVERSAMPLING), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    _rays(pen, unit)
    _face(pen, unit)
    _panel(pen, unit)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _rays(pen: ImageDraw.ImageDraw, unit: float) -> None:
    for ray in range(12):
        angle = math.radians(30 * ray)
        start, end = (
            (unit * (50 + radius * math.cos(angle)), unit * (40 + radius * math.sin(angle))) for radius in (30, 38)
        )
        pen.line((start, end), fill=RAY, width=round(4.5 * unit))


def _face(pen: ImageDraw.ImageDraw, unit: float) -> None:
    pen.ellipse([unit * v for v in (25, 15, 75, 65)], fill=SUN)
    for x in (41, 59):
        pen.ellipse([unit * v for v in (x - 3, 30, x + 3, 37)], fill=FACE)
    pen.arc([unit * v for v in (36, 28, 64, 54)], 25, 155, fill=FACE, width=round(3.5 * unit))


def _panel(pen: ImageDraw.ImageDraw, unit: float) -> None:
    top, bottom, height = (22, 78), (6, 94), (60, 97)

    def edge(side: tuple[int, int], column: float) -> float:
        return side[0] + (side[1] - side[0]) * column

    def corner(column: float, row: float) -> tuple[float, float]:
        x = edge(top, column) + (edge(bottom, column) - edge(top, column)) * row
        return unit * x, unit * (height[0] + (height[1] - height[0]) * row)

    pen.polygon([corner(0, 0), corner(1, 0), corner(1, 1), corner(0, 1)], fill=PANEL, outline=EDGE)
    columns, rows, gap = 4, 2, 0.025
    for column in range(columns):
        for row in range(rows):
            left, right = column / columns + gap, (column + 1) / columns - gap
            upper, lower = row / rows + 2 * gap, (row + 1) / rows - 2 * gap
            pen.polygon(
                [corner(left, upper), corner(right, upper), corner(right, lower), corner(left, lower)], fill=CELL
            )


def main() -> None:
    """Write the files."""
    TARGET.mkdir(exist_ok=True)
    draw(256).save(TARGET / "icon.png", optimize=True)
    draw(512).save(TARGET / "icon@2x.png", optimize=True)
    draw(256).save(TARGET / "logo.png", optimize=True)


if __name__ == "__main__":
    main()
