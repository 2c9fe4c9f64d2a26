"""Measurements as lines that a page draws without any script."""

from collections.abc import Sequence
from dataclasses import dataclass

from instances.models import Measurement

WIDTH, HEIGHT = 300, 64
UNITS = ("B", "KB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Graph:
    """One line over the last hour: `points` for a polyline, `area` for what is below it."""

    title: str
    now: str
    top: str
    points: str
    area: str
    summary: str


def graphs_of(rows: Sequence[Measurement]) -> list[Graph]:
    """CPU, memory, disk and network; none before there are two measurements."""
    if len(rows) < 2:
        return []
    last = rows[-1]
    times = [row.at.timestamp() for row in rows]
    rates = _rates(rows)
    return [
        _graph("CPU", times, [row.cpu_percent for row in rows], 100.0, f"{last.cpu_percent:.0f}%", "100%"),
        _graph(
            "Memory", times, [float(row.memory_used) for row in rows], float(last.memory_total),
            f"{size(last.memory_used)} of {size(last.memory_total)}", size(last.memory_total),
        ),
        _graph(
            "Disk", times, [float(row.disk_used) for row in rows], float(last.disk_total),
            f"{size(last.disk_used)} of {size(last.disk_total)}", size(last.disk_total),
        ),
        _graph(
            "Network", times[1:], rates, max([*rates, 1024.0]), f"{size(rates[-1])}/s",
            f"{size(max(rates))}/s",
        ),
    ]  # fmt: skip


def size(count: float) -> str:
    """1.5 GB."""
    for unit in UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} {UNITS[-1]}"


def _rates(rows: Sequence[Measurement]) -> list[float]:
    """Bytes per second in both directions; a restart of the machine counts from nothing again."""
    rates = []
    for before, after in zip(rows, rows[1:], strict=False):
        seconds = max((after.at - before.at).total_seconds(), 1.0)
        moved = after.network_in + after.network_out - before.network_in - before.network_out
        rates.append(max(moved, 0) / seconds)
    return rates


def _graph(
    title: str, times: Sequence[float], values: Sequence[float], top: float, now: str, top_text: str
) -> Graph:
    first, span = times[0], max(times[-1] - times[0], 1.0)
    places = [
        (
            (moment - first) / span * WIDTH,
            HEIGHT - 1 - min(max(value / (top or 1.0), 0.0), 1.0) * (HEIGHT - 2),
        )
        for moment, value in zip(times, values, strict=True)
    ]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    area = f"{places[0][0]:.1f},{HEIGHT} {points} {places[-1][0]:.1f},{HEIGHT}"
    minutes = max(round(span / 60), 1)
    return Graph(title, now, top_text, points, area, f"{title} over the last {minutes} minutes, now {now}")
