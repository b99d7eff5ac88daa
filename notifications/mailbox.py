"""A mail backend for the stack on one machine: one file per message, named by its Message-ID."""

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class MailboxBackend(BaseEmailBackend):
    """Writes into `settings.MAIL_DIR`. Sending a message again replaces its file, as a mail server would drop it."""

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
