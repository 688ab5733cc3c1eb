"""Plots as SVG that takes the colours of the page, in light and in dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 420, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 40
# So many points of a line are drawn.
MOST_POINTS = 240


@dataclass(frozen=True)
class Series:
    """Points of one colour, joined by a line or each with its name."""

    label: str
    points: Sequence[tuple[float, float]]
    number: int
    joined: bool = True
    marked: bool = True

    def shorter(self) -> Series:
        """The same line of at most MOST_POINTS points, each the mean of its neighbours."""
        size = -(-len(self.points) // MOST_POINTS)
        if size < 2 or not self.joined:
            return self
        parts = [self.points[start : start + size] for start in range(0, len(self.points), size)]
        means = [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts]
        return Series(self.label, means, self.number, self.joined, self.marked)


def plot(series: Sequence[Series], title: str, x_label: str, y_label: str, log: bool = False) -> Markup:
    """One panel. log: the x axis is logarithmic, where all values allow it.

    Each point tells its values where a pointer rests on it.
    """
    series = [one.shorter() for one in series if one.points]
    xs = [x for one in series for x, _ in one.points]
    ys = [y for one in series for _, y in one.points]
    log = log and min(xs) > 0
    across = _Axis(xs, LEFT, WIDTH - RIGHT, log)
    up = _Axis(ys, HEIGHT - BOTTOM, TOP, False)
    parts = [_grid(across, up)]
    for one in series:
        parts.append(_draw(one, across, up, x_label, y_label))
    told = f"{title}: {', '.join(one.label for one in series)}"
    frame = Markup(
        '<svg class="plot" viewBox="0 0 {w} {h}" role="img" aria-label="{told}">{body}'
        '<text class="axis" x="{middle}" y="{below}" text-anchor="middle">{x_label}</text></svg>'
    )
    middle = (LEFT + WIDTH - RIGHT) / 2
    return frame.format(
        w=WIDTH, h=HEIGHT, told=told, body=Markup("").join(parts), middle=middle, below=HEIGHT - 6, x_label=x_label
    )


class _Axis:
    """From values to places, and round values to be written beside it."""

    def __init__(self, values: Sequence[float], start: float, end: float, log: bool) -> None:
        self.log, self.start, self.end = log, start, end
        low, high = (self._of(edge(values)) for edge in (min, max))
        if low == high:
            spread = abs(low) * 0.1 or 1.0
            low, high = low - spread, high + spread
        margin = 0.05 * (high - low)
        self.low, self.high = low - margin, high + margin

    def _of(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def place(self, value: float) -> float:
        return round(self.start + (self._of(value) - self.low) / (self.high - self.low) * (self.end - self.start), 1)

    def written(self, value: float) -> str:
        """A tick with as many digits as tell it from the next one."""
        if self.log or max(abs(self.low), abs(self.high)) >= 1e4:
            return short(value)
        return f"{value:,.{max(0, -math.floor(math.log10((self.high - self.low) / 4)))}f}"

    def ticks(self) -> list[float]:
        if self.log:
            found = [
                digit * 10.0**power
                for power in range(math.floor(self.low), math.ceil(self.high))
                for digit in (1, 2, 5)
            ]
            found = [value for value in found if self.low <= math.log10(value) <= self.high]
            if len(found) >= 2:
                return found if len(found) <= 6 else [value for value in found if f"{value:e}"[0] == "1"]
            return found or [10**self.low, 10**self.high]
        step = 10.0 ** math.floor(math.log10((self.high - self.low) / 4))
        step *= next(times for times in (1, 2, 5, 10) if (self.high - self.low) / (step * times) <= 5)
        first = math.ceil(self.low / step)
        return [round(number * step, 10) for number in range(first, math.floor(self.high / step) + 1)]


def _grid(across: _Axis, up: _Axis) -> Markup:
    line = Markup('<line class="grid" x1="{l}" x2="{r}" y1="{y}" y2="{y}"/>')
    left = Markup('<text class="tick" x="{x}" y="{y}" text-anchor="end">{text}</text>')
    below = Markup('<text class="tick" x="{x}" y="{y}" text-anchor="middle">{text}</text>')
    parts = []
    for value in up.ticks():
        place = up.place(value)
        parts.append(line.format(l=LEFT, r=WIDTH - RIGHT, y=place))
        parts.append(left.format(x=LEFT - 6, y=place + 4, text=up.written(value)))
    for value in across.ticks():
        parts.append(below.format(x=across.place(value), y=HEIGHT - BOTTOM + 16, text=across.written(value)))
    return Markup("").join(parts)


def _draw(one: Series, across: _Axis, up: _Axis, x_label: str, y_label: str) -> Markup:
    places = [(across.place(x), up.place(y)) for x, y in one.points]
    parts = []
    if one.joined and len(places) > 1:
        line = Markup('<polyline class="line" points="{points}"/>')
        parts.append(line.format(points=" ".join(f"{x},{y}" for x, y in places)))
    told = Markup("<title>{label}: {y_label} {y}, {x_label} {x}</title>")
    for (x, y), (place, height) in zip(one.points, places, strict=True) if one.marked else ():
        title = told.format(label=one.label, y_label=y_label, y=short(y), x_label=x_label, x=short(x))
        parts.append(Markup("{mark}").format(mark=_mark(one.number, place, height, title)))
        if not one.joined:
            end = place > (LEFT + WIDTH) * 0.6
            name = Markup('<text class="name" x="{x}" y="{y}" text-anchor="{anchor}">{label}</text>')
            beside = {"x": place + (-8 if end else 8), "y": height + 4, "anchor": "end" if end else "start"}
            parts.append(name.format(label=one.label, **beside))
    return Markup('<g class="s{number}">{body}</g>').format(number=one.number % 7, body=Markup("").join(parts))


def _mark(number: int, x: float, y: float, title: Markup) -> Markup:
    """A dot, square, triangle or diamond: the shape tells what the colour tells."""
    shapes = (
        '<circle class="mark" cx="{x}" cy="{y}" r="4">{title}</circle>',
        '<rect class="mark" x="{left}" y="{above}" width="7" height="7">{title}</rect>',
        '<path class="mark" d="M{x} {above}l4.5 8h-9z">{title}</path>',
        '<path class="mark" d="M{x} {above}l5 5l-5 5l-5 -5z">{title}</path>',
    )
    return Markup(shapes[number % len(shapes)]).format(x=x, y=y, left=x - 3.5, above=y - 4, title=title)


def short(value: float) -> str:
    """A number in few characters: 12.5k, 15.8M."""
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if sign == 'k' else size):.3g}{sign}"
    return f"{value:.4g}"
