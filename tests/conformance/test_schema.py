"""Thousands of requests made from the API's own description, against the real web process."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from orderproject.accounts.auth import access_token
from orderproject.models import User
from tests.acceptance.shop import Shop, open_shop
from tests.conformance.__main__ import check

EXAMPLES = 6


@pytest.fixture
def shop(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with django_db_blocker.unblock(), open_shop(folder, "front", "web", variables={"RATE_LIMIT": "10000000"}) as shop:
        yield shop


@pytest.mark.timeout(280)
def test_the_api_does_what_it_says_of_itself(shop: Shop) -> None:
    shop.stock("MUG-RED", 100_000)
    staff = User.objects.create_superuser("admin", "admin@example.com", "admin")
    result = check(shop.deployment.url, str(access_token(staff)), EXAMPLES)
    assert result.returncode == 0, result.stdout + result.stderr
    cases = re.search(r"(\d+) generated", result.stdout)
    assert cases
    assert int(cases[1]) > 1000
