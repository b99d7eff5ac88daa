"""Summarizes an event's data in one short line for staff, without ids."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from events.declare.event import Event
from events.timeline.headlines import headlines

LONGEST = 160
TIMES = " \N{MULTIPLICATION SIGN} "
MAX_ENTRIES = 3
"""Entries of a list that are shown at most."""


def describe(data: Mapping[str, Any], event: type[Event] | None = None) -> str:
    """`reason: too_late · fee: 2.50 EUR`; cut where it gets long. Entries are told as their `headline` says."""
    text = " · ".join(_parts(data, headlines(event) if event else {}))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _parts(data: Mapping[str, Any], headlines: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, value in data.items():
        if name.lower().endswith("id") or value in ("", None, [], {}):
            continue
        if isinstance(value, list):
            yield _entries(value, headlines.get(name, ()))
        else:
            yield f"{_words(name)}: {_value(value, headlines.get(name, ()))}"


def _entries(values: list[Any], headline: Sequence[str]) -> str:
    shown = ", ".join(_value(value, headline) for value in values[:MAX_ENTRIES])
    return shown if len(values) <= MAX_ENTRIES else f"{shown} and {len(values) - MAX_ENTRIES} more"


def _value(value: Any, headline: Sequence[str] = ()) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, dict):
        return str(value)
    if set(value) == {"amount", "currency"}:
        return f"{value['amount']} {value['currency']}"
    rest = [f"{_words(name)} {_value(one)}" for name, one in value.items() if name not in headline]
    named = TIMES.join(str(value[name]) for name in headline if name in value)
    return " ".join([named, f"({', '.join(rest)})" if rest else ""]).strip()


def _words(name: str) -> str:
    """`wasConfirmed` → `was confirmed`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
