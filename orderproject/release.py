"""Which version of the code this is, where nothing says so."""

from pathlib import Path

DIGITS = 12
"""Of the commit's hash."""


def of_checkout(folder: Path) -> str:
    """The commit that is checked out in this folder; empty if it is no clone. It starts no other program."""
    git = folder / ".git"
    try:
        head = (git / "HEAD").read_text().strip()
        name = head.removeprefix("ref: ")
        if name == head:
            return head[:DIGITS]
        if (git / name).is_file():
            return (git / name).read_text()[:DIGITS]
        packed = (git / "packed-refs").read_text().splitlines()
        return next((line[:DIGITS] for line in packed if line.endswith(f" {name}")), "")
    except OSError:
        return ""
