"""Which e-mail addresses the project accepts: those that a message's header and envelope can carry unchanged."""

from __future__ import annotations

import re
from email.errors import HeaderParseError

from django.core.exceptions import ValidationError
from django.core.mail.message import sanitize_address
from django.core.validators import validate_email

LONGEST = 254
"""RFC 5321: a path has at most 256 characters, two of which are its angle brackets."""
LONGEST_LOCAL_PART = 64
ORDINARY = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+\Z")
"""What Django accepts of this form is carried as it is."""


def validate_email_address(value: str) -> None:
    """Django's rules, and those of the messages that we send. Raises Django's ValidationError, which says what to do.

    Django accepts addresses that its own messages cannot hold, such as a quoted name with a control character, and
    addresses that they would change, such as a quoted name at an international domain, or an encoded word.
    """
    validate_email(value)
    local, _, domain = value.rpartition("@")
    if len(local) > LONGEST_LOCAL_PART:
        raise _invalid(f"Use an address with at most {LONGEST_LOCAL_PART} characters before the @.")
    if domain.startswith("["):
        raise _invalid("Use an address with a domain name instead of an IP address.")
    if ORDINARY.match(value):
        return
    if local.startswith('"'):
        raise _invalid("Use an address without quotes, spaces and control characters before the @.")
    if len(_carried(local, domain)) > LONGEST:
        raise _invalid(f"Use an address with at most {LONGEST} characters, counted with its domain in ASCII (xn--…).")


def _carried(local: str, domain: str) -> str:
    """The address as the message's envelope holds it, with its domain in ASCII. Raises ValidationError."""
    try:
        in_ascii = domain.encode("idna")
        if in_ascii.decode("idna") != domain.lower():  # such as faß.example, which would become fass.example
            raise _invalid("Write the domain of the address in ASCII (xn--…): as it stands, it could mean another one.")
        carried = f"{local}@{in_ascii.decode('ascii')}"
        if sanitize_address(f"{local}@{domain}", "utf-8") == carried:
            return carried
    except UnicodeError as error:
        raise _invalid(
            "Use an address whose domain has at most 63 characters between dots (in ASCII: xn--…)."
        ) from error
    except (ValueError, IndexError, HeaderParseError):
        pass
    raise _invalid("Use an address without =? before the @: mail servers would read it as another address.")


def _invalid(message: str) -> ValidationError:
    return ValidationError(message, code="invalid")
