"""Who did something: `user:<id>` in rows that are never deleted, the name of the user only where it is shown.

So no user's name stands in the log or the audit, and forgetting a user leaves nothing to change there. Rows that are
older than this rule may hold a name instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

PREFIXES = ("user:", "staff:")
"""`staff:` is what the admin wrote before both became one."""


def actor_of(user: Any) -> str:
    """How rows name this user. It needs no query: `user` may be built from the claims of a token."""
    return f"user:{user.pk}"


def names_of(actors: Iterable[str]) -> Mapping[str, str]:
    """What to show for each of these actors; one statement for all. Those that are no known user are left out."""
    keys = {actor: key for actor in set(actors) if (key := _key(actor)) is not None}
    users = get_user_model()._default_manager.filter(pk__in=set(keys.values())) if keys else ()
    names = {user.pk: user.get_username() for user in users}
    return {actor: names[key] for actor, key in keys.items() if key in names}


def name_of(actor: str) -> str:
    """The same for one actor."""
    return names_of([actor]).get(actor, actor)


def _key(actor: str) -> Any:
    prefix = next((one for one in PREFIXES if actor.startswith(one)), None)
    if prefix is None:
        return None
    try:
        return get_user_model()._meta.pk.to_python(actor.removeprefix(prefix))
    except ValidationError:
        return None
