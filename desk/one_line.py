"""Text of one line: names, addresses and reasons, which stand in mails, headers, logs and terminals."""

from __future__ import annotations

import re
from typing import Annotated, Final

from django.core.exceptions import ValidationError
from msgspec import Meta

_FORBIDDEN: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
"""Control characters, line separators, and what reverses the direction of the text that follows."""
_INVISIBLE: Final = r" \xa0\xad\u115f\u1160\u1680\u180e\u2000-\u200f\u202f\u205f-\u2064\u2800\u3000\u3164\ufeff\uffa0"
"""Characters that show nothing by themselves. A name may contain them: some scripts need joiners between letters."""
ONE_LINE: Final = (
    rf"^([{_INVISIBLE}]*[^{_INVISIBLE}{_FORBIDDEN}][^{_FORBIDDEN}]*)?$"
    r"(?!\n)"  # Python's `$` also matches before a trailing newline
)
"""No text at all, or one with a visible character: a reason of spaces alone would be none."""
COMPLAINT: Final = "Remove line breaks and control characters."
NOTHING_VISIBLE: Final = "Write something that can be seen: spaces and invisible characters are not enough."
COMPLAINTS: Final = "Remove line breaks and control characters, and write something that can be seen."

OneLine = Annotated[str, Meta(pattern=ONE_LINE)]

_forbidden = re.compile(f"[{_FORBIDDEN}]+")
_one_line = re.compile(ONE_LINE)


def validate_one_line(text: str) -> None:
    """A Django validator."""
    if _forbidden.search(text):
        raise ValidationError(COMPLAINT, code="one_line")
    if not _one_line.match(text):
        raise ValidationError(NOTHING_VISIBLE, code="one_line")


def as_one_line(text: str) -> str:
    """For text that was stored before it was checked: a space replaces what `OneLine` refuses."""
    return text if text.isprintable() else _forbidden.sub(" ", text)
