"""Real processes to be broken, with PostgreSQL and Valkey of the test run."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import pytest

from tests.acceptance.shop import Shop, open_shop

Opening = Callable[..., AbstractContextManager[Shop]]


@pytest.fixture
def opening(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Opening:
    """`with opening("worker-core", "relay") as shop`."""

    @contextmanager
    def opened(*names: str, **options: Any) -> Iterator[Shop]:
        with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), *names, **options) as shop:
            yield shop

    return partial(opened)
