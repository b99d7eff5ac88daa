"""Forgetting a person: each application declares what it knows of people, and how to erase it.

An application names a class derived from `PersonalData` in its `apps.py`. Nothing here knows which tables there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils.module_loading import import_string

from desk.service import service_configs

FORGOTTEN = "[forgotten]"
"""What stands in place of an erased text. The triggers of the log and the audit know it too."""
FORGOTTEN_EMAIL = "forgotten@example.invalid"
"""Replaces an e-mail address. It is valid, so clients can still read the row, and has no owner (RFC 2606)."""


@dataclass(frozen=True)
class Trace:
    """What an application adds to a `Person`. `open`: sentences that say why the person cannot be forgotten yet."""

    names: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    open: tuple[str, ...] = ()


@dataclass(frozen=True)
class Person:
    """Who is to be forgotten, and by what their traces are found.

    `names` are what they are called: the user name and e-mail addresses. `subjects` are the ids of aggregates that are
    about them, `targets` those of all rows that the audit may name.
    """

    key: Any
    names: frozenset[str]
    subjects: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()

    @property
    def actor(self) -> str:
        return f"user:{self.key}"

    def with_trace(self, trace: Trace) -> Person:
        return Person(
            self.key, self.names | trace.names, self.subjects | trace.subjects,
            self.targets | trace.targets | trace.subjects,
        )  # fmt: skip


class PersonalData:
    """What one application knows of people. Both methods run in one transaction and must be safe to repeat."""

    def trace(self, person: Person) -> Trace:
        """What else is about this person. It may be asked again after another application has added something."""
        return Trace()

    def erase(self, person: Person) -> Mapping[str, int]:
        """Deletes personal data or makes it anonymous. Returns how many of what, for staff to read.

        What no transaction can undo, such as deleting a file, must wait for its commit.
        """
        return {}


def knowers() -> list[PersonalData]:
    """The declared classes, services before the kernel whose rows are about theirs."""
    return [import_string(config.personal_data)() for config in reversed(service_configs()) if config.personal_data]


def traced(person: Person) -> tuple[Person, list[str]]:
    """The person with all traces, and why they cannot be forgotten yet."""
    while True:
        found, why_not = person, list[str]()
        for knower in knowers():
            trace = knower.trace(found)
            found = found.with_trace(trace)
            why_not += trace.open
        if found == person:
            return found, why_not
        person = found


def erase(person: Person) -> dict[str, int]:
    """Erases what every application knows. Must run in a transaction. Only what there was is counted."""
    counts: dict[str, int] = {}
    for knower in knowers():
        for what, count in knower.erase(person).items():
            counts[what] = counts.get(what, 0) + count
    return {what: count for what, count in sorted(counts.items()) if count}


@contextmanager
def redacting() -> Iterator[None]:
    """Within it, texts in the log and the audit may be erased, but not be changed otherwise. Needs a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('events.forgetting', 'on', true)")
        yield
        cursor.execute("SELECT set_config('events.forgetting', 'off', true)")


def mentions(text: str, names: Iterable[str]) -> bool:
    """Whether one of the names stands in the text, in any case."""
    lower = text.lower()
    return any(name.lower() in lower for name in names if name)
