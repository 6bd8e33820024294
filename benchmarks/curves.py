"""Curves as SVG, without a library: panels side by side, the number of things on a logarithmic axis."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import msgspec

COLOURS: Final = ("#0b6bcb", "#8a6d3b", "#2da44e", "#cf222e")
INK: Final = "#57606a"
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 400, 260, 60, 30, 40, 20


class Panel(msgspec.Struct, frozen=True):
    """What is on the upright axis, the numbers along the other, and a line of each name."""

    title: str
    sizes: Sequence[int]
    lines: Mapping[str, Sequence[float]]


def drawn(axis: str, panels: Sequence[Panel]) -> str:
    """The picture. It reads on light and on dark pages."""
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * len(panels)}" height="{HEIGHT}" '
            f'font-family="sans-serif" font-size="11" fill="{INK}">'
        )
    ]
    for number, panel in enumerate(panels):
        parts.append(f'<g transform="translate({number * WIDTH} 0)">{_panel(axis, panel)}</g>')
    return "\n".join([*parts, "</svg>\n"])


def _panel(axis: str, panel: Panel) -> str:
    low, high = math.log10(min(panel.sizes)), math.log10(max(panel.sizes))
    most = max(max(line) for line in panel.lines.values()) * 1.1 or 1.0
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT

    def across(size: int) -> float:
        return LEFT + (right - LEFT) * (math.log10(size) - low) / (high - low or 1.0)

    def up(value: float) -> float:
        return bottom - (bottom - TOP) * value / most

    parts = [f'<text x="{LEFT}" y="{TOP - 12}" font-weight="bold">{escape(panel.title)}</text>']
    for step in range(5):
        value = most * step / 4
        parts.append(
            f'<path d="M{LEFT} {up(value):.1f}H{right}" stroke="{INK}" stroke-opacity=".25"/>'
            f'<text x="{LEFT - 6}" y="{up(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        )
    parts += [
        f'<text x="{across(size):.1f}" y="{bottom + 16}" text-anchor="middle">{size:,}</text>'
        for size in panel.sizes
    ]
    parts.append(
        f'<text x="{(LEFT + right) / 2}" y="{bottom + 32}" text-anchor="middle">{escape(axis)}</text>'
    )
    for number, (name, values) in enumerate(panel.lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = [(across(size), up(value)) for size, value in zip(panel.sizes, values, strict=True)]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        x, y = points[-1]
        parts.append(
            f'<text x="{x - 6:.1f}" y="{y - 8:.1f}" text-anchor="end" fill="{colour}">{escape(name)}</text>'
        )
    return "".join(parts)
