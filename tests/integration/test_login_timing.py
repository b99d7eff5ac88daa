"""A refused log-in takes the same time for every name, so that nobody can find out which customers there are.

It compares the processor time of this thread, in which the test client answers: other processes do not disturb it. Of
several attempts the shortest counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import Client

from orderproject.models import User
from tests.integration.api import BASE

pytestmark = pytest.mark.django_db
NAMES = ("known", "inactive", "without-password", "unknown", "unknown-" + "x" * 140)
ROUNDS, MOST = 4, 1.35
"""How much longer than the shortest of all names one may take. Without the hash it would take at most half."""


class QuickHasher(PBKDF2PasswordHasher):
    """Fewer rounds, and still most of what a log-in costs."""

    iterations = 50_000


@pytest.fixture(autouse=True)
def people(settings: Any) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.QuickHasher"]
    settings.AXES_FAILURE_LIMIT = 1000
    for name in NAMES[:2]:
        User.objects.create_user(name, password="correct horse battery", is_active=name == "known")
    User.objects.create_user(NAMES[2])


def by_api(client: Client, name: str) -> int:
    form = {"username": name, "password": "wrong"}
    return client.post(f"{BASE}auth/token/", form, content_type="application/json").status_code


def by_admin(client: Client, name: str) -> int:
    return client.post("/admin/login/", {"username": name, "password": "wrong"}).status_code


@pytest.mark.parametrize(("door", "refusal"), [(by_api, 401), (by_admin, 200)])
def test_a_refused_log_in_takes_the_same_time_for_every_name(door: Callable[[Client, str], int], refusal: int) -> None:
    client = Client()
    assert door(client, "known") == refusal  # whatever is loaded once
    shortest = dict.fromkeys(NAMES, float("inf"))
    for _ in range(ROUNDS):
        for name in NAMES:
            began = time.thread_time()
            assert door(client, name) == refusal
            shortest[name] = min(shortest[name], time.thread_time() - began)
    assert max(shortest.values()) < MOST * min(shortest.values()), shortest
