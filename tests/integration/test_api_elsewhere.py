"""The kernel's API in a project that leaves Django REST framework's settings as they are."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.utils.module_loading import import_string
from rest_framework.test import APIClient

from events.dead_letters.queries import letter_id
from sagas.models import SagaRun
from tests import stories
from tests.integration.api import BASE, client_of, user

pytestmark = pytest.mark.django_db
RIGHTS = (
    "events.view_storedevent",
    "events.retry_delivery",
    "events.replay",
    "sagas.view_sagarun",
    "sagas.repair_saga",
)


@pytest.fixture
def operator(settings: Any) -> APIClient:
    """Of a project without an exception handler of its own."""
    handler = {"EXCEPTION_HANDLER": "rest_framework.views.exception_handler"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, **handler}
    return client_of(user("operator", *RIGHTS))


def test_errors_of_the_kernel_are_answered(operator: APIClient) -> None:
    run = SagaRun.objects.get(subject=stories.confirmed().id)
    retry, replays = f"{BASE}sagas/{run.id}/retry/", f"{BASE}replays/"
    unknown = {"subscriber": "nobody", "reason": "a test"}
    answers = [
        operator.post(f"{BASE}dead-letters/retry/", {"wrong": 1}),
        operator.post(replays, unknown),
        operator.post(retry, {"reason": "a test"}),
        operator.get(f"{BASE}events/", {"wrong": 1}),
        operator.get(f"{BASE}sagas/{uuid4()}/"),
    ]
    assert [answer.status_code for answer in answers] == [400, 422, 409, 400, 404]
    assert answers[0].json() == ["Object contains unknown field `wrong`"]
    assert answers[1].json() == {"detail": "There is no subscriber 'nobody'."}


def test_what_nobody_foresaw_stays_an_error(operator: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("events.dead_letters.api.repair.retry", broken)
    answer = operator.post(f"{BASE}dead-letters/retry/", {"ids": [str(letter_id(1))]})
    assert answer.status_code == 500


@pytest.mark.parametrize("view", ["events.catalogue.api.Events", "sagas.operations.api.Sagas"])
def test_lists_bring_their_pages_and_filters(view: str) -> None:
    names = {"pagination_class", "filter_backends", "renderer_classes", "parser_classes"}
    inherited = {name for one in import_string(view).__mro__ if one.__module__ == "web.views" for name in vars(one)}
    assert names <= inherited
