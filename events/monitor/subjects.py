"""The names by which people know what work is about: an order's number in place of its id."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

import structlog
from django.db import close_old_connections, connection
from django.utils.module_loading import import_string

from desk.service import service_configs

log = structlog.get_logger(__name__)
KNOWN = 20_000
"""Names that a process remembers."""
Names = Callable[[Sequence[UUID]], Mapping[UUID, str]]


class Subjects:
    """The kinds and names of subjects, looked up by the batch and remembered. For one thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[str, str]] = OrderedDict()

    def look_up(self, subjects: Iterable[str]) -> None:
        """Asks for those that are unknown, in one statement for each kind. Without PostgreSQL they keep their ids."""
        unknown = {subject: id_ for subject in subjects if subject not in self._known and (id_ := _id(subject))}
        if not unknown:
            return
        try:
            found = {
                str(id_): (kind, name) for kind, names in _kinds() for id_, name in names([*unknown.values()]).items()
            }
            self._known |= {subject: found.get(subject, ("", subject)) for subject in unknown}
        except Exception as error:  # noqa: BLE001  whatever is wrong, the work is shown by its id
            log.debug("names for Flower not found", error=str(error))
            connection.close()
        finally:
            close_old_connections()
        while len(self._known) > KNOWN:
            self._known.popitem(last=False)

    def name(self, subject: str) -> str:
        """The subject itself if it has no other name."""
        return self._known.get(subject, ("", subject))[1]

    def address(self, subject: str) -> str | None:
        """Such as `order:<id>`, for subjects that have a page in the admin."""
        kind, _ = self._known.get(subject, ("", ""))
        return f"{kind}:{subject}" if kind else None


def _kinds() -> list[tuple[str, Names]]:
    return [(kind, import_string(path)) for config in service_configs() for kind, path in config.subjects.items()]


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
