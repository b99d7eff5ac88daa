"""Secrets that are made once and kept in a file that only its owner reads."""

import os
import secrets
from pathlib import Path


def kept_secret(file: Path, owner: tuple[int, int] | None = None) -> str:
    """Creates it at the first call. Complete or absent: a crash never leaves half a secret."""
    if not file.exists():
        draft = file.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
            output.write(secrets.token_urlsafe(48))
        if owner:
            os.chown(draft, *owner)
        draft.rename(file)
    return file.read_text()
