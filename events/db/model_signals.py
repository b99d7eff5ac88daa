"""Whether anybody listens to Django's signals of a model. What writes in bulk asks here, and sends them only then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import models
from django.db.models.signals import post_init, post_save, pre_init, pre_save


def saving_is_heard(*classes: type[models.Model]) -> bool:
    """Whether `pre_save` or `post_save` of any of them has a receiver in this process."""
    return any(signal.has_listeners(model) for model in classes for signal in (pre_save, post_save))


def loading_is_heard(model: type[models.Model]) -> bool:
    """Whether `pre_init` or `post_init` of it has a receiver. Asked for every row: mostly they have none at all."""
    return bool(pre_init.receivers or post_init.receivers) and (
        pre_init.has_listeners(model) or post_init.has_listeners(model)
    )


def send_pre_save(rows: Iterable[models.Model], fields: Sequence[str] | None) -> None:
    """As `Model.save()` sends it."""
    for row in rows:
        pre_save.send(sender=type(row), instance=row, raw=False, using="default", update_fields=_frozen(fields))


def send_post_save(rows: Iterable[tuple[models.Model, bool]], fields: Sequence[str] | None) -> None:
    """As `Model.save()` sends it. Each row comes with whether it is new."""
    for row, created in rows:
        post_save.send(
            sender=type(row), instance=row, created=created, raw=False, using="default", update_fields=_frozen(fields)
        )


def _frozen(fields: Sequence[str] | None) -> frozenset[str] | None:
    return None if fields is None else frozenset(fields)
