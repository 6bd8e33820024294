"""Curves as SVG, without a library: panels beside each other, what they go by on a logarithmic axis or an even one."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import msgspec

COLOURS: Final = ("#0b6bcb", "#8a6d3b", "#2da44e", "#cf222e")
INK: Final = "#57606a"
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 400, 260, 60, 30, 40, 32
_ABOVE, _BELOW = 8, 16  # a point, where the name of its line stands
_ROUND: Final = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
ABREAST: Final = 3  # panels in a row


class Panel(msgspec.Struct, frozen=True):
    """What is on the upright axis and on the other, the numbers along that one, and a line of each name.

    Nothing stands a tenth before the least number. `decades` makes the upright axis logarithmic. With `even` the other
    one is not: it begins at zero and has round numbers along it, for there may be many `sizes`.
    """

    title: str
    axis: str
    sizes: Sequence[float]
    lines: Mapping[str, Sequence[float]]
    decades: bool = False
    even: bool = False


def drawn(panels: Sequence[Panel]) -> str:
    """The picture. It reads on light and on dark pages."""
    width, height = WIDTH * min(len(panels), ABREAST), HEIGHT * math.ceil(len(panels) / ABREAST)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'font-family="sans-serif" font-size="11" fill="{INK}">'
        )
    ]
    for number, panel in enumerate(panels):
        row, column = divmod(number, ABREAST)
        parts.append(f'<g transform="translate({column * WIDTH} {row * HEIGHT})">{_panel(panel)}</g>')
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel) -> str:
    places, marks = _even(panel.sizes) if panel.even else _places(panel.sizes)
    values = [value for line in panel.lines.values() for value in line]
    steps = _powers(min(values), max(values)) if panel.decades else _steps(max(values) * 1.1)
    least, most = steps[0], steps[-1]
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT

    def across(place: float) -> float:
        first, last = min(marks), max(marks)
        return LEFT + (right - LEFT) * (place - first) / (last - first or 1.0)

    def up(value: float) -> float:
        if panel.decades:
            return bottom - (bottom - TOP) * math.log10(value / least) / math.log10(most / least)
        return bottom - (bottom - TOP) * value / most

    parts = [f'<text x="{LEFT}" y="{TOP - 12}" font-weight="bold">{escape(panel.title)}</text>']
    parts += [
        f'<path d="M{LEFT} {up(value):.1f}H{right}" stroke="{INK}" stroke-opacity=".25"/>'
        f'<text x="{LEFT - 6}" y="{up(value) + 4:.1f}" text-anchor="end">{value:,g}</text>'
        for value in steps
    ]
    parts += [
        f'<text x="{across(place):.1f}" y="{bottom + 16}" text-anchor="middle">{mark}</text>'
        for place, mark in marks.items()
    ]
    parts.append(
        f'<text x="{(LEFT + right) / 2}" y="{bottom + 32}" text-anchor="middle">{escape(panel.axis)}</text>'
    )
    for number, (name, line) in enumerate(panel.lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = [(across(place), up(value)) for place, value in zip(places, line, strict=True)]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if not panel.even:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        x, y, beside, anchor = *points[-1], -6, "end"
        before = points[-2][1] if len(points) > 1 else y
        lowest = line[-1] == min(each[-1] for each in panel.lines.values())
        if lowest and before - y < _BELOW and y + _BELOW < bottom:
            y += _BELOW
        else:
            if y > before:  # it falls: its name would stand on it
                x, y, beside, anchor = *points[-2], 6, "start"
            y -= _ABOVE
        parts.append(
            f'<text x="{x + beside:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(name)}</text>'
        )
    return "".join(parts)


def _places(sizes: Sequence[float]) -> tuple[list[float], dict[float, str]]:
    """Where each of them stands on a logarithmic axis, and what is written along it."""
    least = min(size for size in sizes if size)
    places = [math.log10(size or least / 10) for size in sizes]
    return places, {place: f"{size:,}" for place, size in zip(places, sizes, strict=True)}


def _even(sizes: Sequence[float]) -> tuple[list[float], dict[float, str]]:
    """The same for an even axis."""
    return list(sizes), {step: f"{step:,g}" for step in _steps(max(sizes))}


def _steps(most: float) -> list[float]:
    """Five round numbers from zero to at least `most`."""
    unit = 10.0 ** math.floor(math.log10(most / 4 or 1.0))
    step = next(round_ for round_ in _ROUND if round_ * unit * 4 >= most) * unit
    return [step * number for number in range(5)]


def _powers(least: float, most: float) -> list[float]:
    """Powers of ten, around both."""
    return [10.0**power for power in range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)]
