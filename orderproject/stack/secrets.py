"""Secrets that are generated once and stored in a file that only its owner can read."""

import os
import secrets
from pathlib import Path


def kept_secret(file: Path, owner: tuple[int, int] | None = None) -> str:
    """Reads the secret; the first call creates it. A crash cannot truncate the file."""
    if not file.exists():
        write_secret(file, secrets.token_urlsafe(48), owner)
    return file.read_text()


def write_secret(file: Path, text: str, owner: tuple[int, int] | None = None) -> None:
    """Writes a file that only its owner can read, atomically."""
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text)
    if owner:
        os.chown(draft, *owner)
    draft.rename(file)
