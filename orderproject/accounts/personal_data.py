"""Erases a user's account. The row stays without a name, because rows of others and the log refer to its id."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.utils.timezone import now

from desk.personal_data import FORGOTTEN, Person, PersonalData, Trace
from orderproject.models import ApiKey, User


def forgotten_name(key: Any) -> str:
    """The user name of a forgotten user. It is unique and says nothing."""
    return f"forgotten-{key}"


class Account(PersonalData):
    def trace(self, person: Person) -> Trace:
        keys = ApiKey.objects.filter(user=person.key).values_list("id", "prefix")
        return Trace(targets=frozenset({str(person.key), *(str(part) for key in keys for part in key)}))

    def erase(self, person: Person) -> Mapping[str, int]:
        entries = LogEntry.objects.filter(object_id__in=person.targets).exclude(object_repr=FORGOTTEN)
        return {
            "sessions": _end_sessions(person),
            "entries of the admin": entries.update(object_repr=FORGOTTEN, change_message=""),
            "log-ins": _forget_log_ins(person),
            "API keys": ApiKey.objects.filter(user=person.key).delete()[0],
            "accounts": _forget_account(person),
        }


def _forget_account(person: Person) -> int:
    user = User.objects.filter(pk=person.key, forgotten_at=None).first()
    if user is None:
        return 0
    user.username, user.email, user.first_name, user.last_name = forgotten_name(user.pk), "", "", ""
    user.is_active = user.is_staff = user.is_superuser = False
    user.last_login, user.forgotten_at = None, now()
    user.set_unusable_password()
    user.save()
    user.groups.clear()
    user.user_permissions.clear()
    return 1


def _end_sessions(person: Person) -> int:
    """A session's user stands within its encoded data, so all are read."""
    theirs = [
        session.pk
        for session in Session.objects.iterator(chunk_size=500)
        if session.get_decoded().get("_auth_user_id") == str(person.key)
    ]
    return Session.objects.filter(pk__in=theirs).delete()[0]


def _forget_log_ins(person: Person) -> int:
    if not person.names:
        return 0
    named = reduce(or_, (Q(username__iexact=name) for name in sorted(person.names)))
    return sum(model.objects.filter(named).delete()[0] for model in (AccessAttempt, AccessFailureLog, AccessLog))
