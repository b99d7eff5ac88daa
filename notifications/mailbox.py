"""A mail backend for the local stack: it writes one file per message, named after its Message-ID."""

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class MailboxBackend(BaseEmailBackend):
    """Writes to `settings.MAIL_DIR`. A repeated message replaces its file, as a mail server drops duplicates."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        folder = Path(settings.MAIL_DIR)
        folder.mkdir(parents=True, exist_ok=True)
        for message in email_messages:
            data = message.message().as_bytes()
            name = str(message.extra_headers["Message-ID"]).strip("<>").partition("@")[0]
            unfinished = folder / f".{name}.part"
            unfinished.write_bytes(data)
            unfinished.replace(folder / f"{name}.eml")
        return len(email_messages)
