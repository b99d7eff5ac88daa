"""Numbers for people, always with their unit. Pure."""

from __future__ import annotations

from enum import StrEnum

NOTHING = "\N{EN DASH}"
"""Shown where there is no number: nothing happened, or it could not be read."""


class Unit(StrEnum):
    NUMBER = ""
    PER_MINUTE = "/min"
    PER_SECOND = "/s"
    SECONDS = "s"
    PERCENT = "%"


def shown(value: float | None, unit: Unit = Unit.NUMBER) -> str:
    """`350 ms`, `1.2 %`, `12 500/min`. Shares are given from 0 to 1."""
    if value is None:
        return NOTHING
    if unit is Unit.SECONDS:
        return duration(value)
    if unit is Unit.PERCENT:
        return f"{number(100 * value)} %"
    return f"{number(value)}{unit}"


def number(value: float) -> str:
    """Three digits at least; thousands are set apart by a narrow space that does not break."""
    if value == 0 or abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.1f}" if abs(value) >= 1 else f"{value:.2g}"


def duration(seconds: float) -> str:
    """The two greatest units at most, such as `3 min 20 s`."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms" if seconds > 0 else "0 s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, name, below, part in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {name}" + (f" {rest} {part}" if rest else "")
    return f"{whole} s"
