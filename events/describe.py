"""An event's data in one short line for people; ids are left out, the whole is a click away."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 160
TIMES = " \N{MULTIPLICATION SIGN} "
MOST = 3
"""Entries of a list that are shown."""


def describe(data: Mapping[str, Any]) -> str:
    """`reason: card_declined · items: 2 of MUG-RED`; cut where it gets long."""
    text = " · ".join(_parts(data))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _parts(data: Mapping[str, Any]) -> Iterator[str]:
    for name, value in data.items():
        if name.lower().endswith("id") or value in ("", None, [], {}):
            continue
        if isinstance(value, list):
            yield _entries(value)
        else:
            yield f"{_words(name)}: {_value(value)}"


def _entries(values: list[Any]) -> str:
    shown = ", ".join(_value(value) for value in values[:MOST])
    return shown if len(values) <= MOST else f"{shown} and {len(values) - MOST} more"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, dict):
        return str(value)
    if set(value) == {"amount", "currency"}:
        return f"{value['amount']} {value['currency']}"
    rest = [f"{_words(name)} {_value(one)}" for name, one in value.items() if name not in {"sku", "quantity"}]
    named = TIMES.join(str(value[name]) for name in ("quantity", "sku") if name in value)
    return " ".join([named, f"({', '.join(rest)})" if rest else ""]).strip()


def _words(name: str) -> str:
    """`wasConfirmed` → `was confirmed`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
