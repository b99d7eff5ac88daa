"""Erases a person's e-mails and webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from email import policy
from email.parser import BytesHeaderParser
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import transaction

from desk.personal_data import FORGOTTEN, FORGOTTEN_EMAIL, Person, PersonalData, Trace, mentions
from notifications.models import Notification, Webhook, WebhookAttempt, WebhookDelivery


class MailAndWebhooks(PersonalData):
    def trace(self, person: Person) -> Trace:
        mails = Notification.objects.filter(order_id__in=person.subjects).values_list("id", "recipient")
        hooks = Webhook.objects.filter(owner_id=person.key).values_list("id", flat=True)
        calls = WebhookDelivery.objects.filter(webhook__owner_id=person.key).values_list("id", flat=True)
        return Trace(
            names=frozenset(recipient for _, recipient in mails if recipient != FORGOTTEN_EMAIL),
            targets=frozenset(map(str, [*(id_ for id_, _ in mails), *hooks, *calls])),
        )

    def erase(self, person: Person) -> Mapping[str, int]:
        mails = Notification.objects.filter(order_id__in=person.subjects).exclude(recipient=FORGOTTEN_EMAIL)
        erased = mails.update(recipient=FORGOTTEN_EMAIL, subject=FORGOTTEN, text=FORGOTTEN, html="", error="")
        hooks = Webhook.objects.filter(owner_id=person.key)
        calls = WebhookDelivery.objects.filter(webhook__in=hooks)
        WebhookAttempt.objects.filter(delivery__in=calls).delete()
        calls.delete()
        return {"e-mails": erased, "webhooks": hooks.delete()[0], "files of e-mails": _forget_files(person)}


def _forget_files(person: Person) -> int:
    """The local stack's mailbox. What a mail server has sent is out of reach."""
    folder = Path(settings.MAIL_DIR) if settings.MAIL_DIR else None
    files = [file for file in folder.glob("*.eml") if _is_to(file, person)] if folder else []
    for file in files:
        transaction.on_commit(partial(file.unlink, missing_ok=True))
    return len(files)


def _is_to(file: Path, person: Person) -> bool:
    with file.open("rb") as message:
        headers = BytesHeaderParser(policy=policy.default).parse(message)
    return mentions(str(headers.get("To", "")), person.names)
