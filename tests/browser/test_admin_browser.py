"""The admin as a person sees it, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import CharField, TextField
from django.urls import reverse
from playwright.sync_api import Page, expect

from events.log.aggregate import AggregateQuerySet
from events.models import DeliveryState
from notifications.models import Kind
from orderproject.applications import APPLICATIONS
from orders.models import Status
from tests import stories

pytestmark = pytest.mark.django_db(transaction=True)


def opened(page: Page, order: Any) -> Page:
    page.goto(reverse("admin:orders_order_change", args=[order.id]))
    return page


def test_the_order_page_tells_the_whole_story(page: Page) -> None:
    order = stories.capture_failed()
    opened(page, order)
    expect(page.locator(".headline")).to_contain_text(order.number)
    expect(page.locator("#payment")).to_contain_text("voided")
    expect(page.locator("[data-step=capture_payment]")).to_contain_text("refused")
    expect(page.locator("[data-step=hold_stock] .undo")).to_contain_text("undone")
    events = page.locator("#timeline .moment")
    expect(events.first).to_contain_text("order.created")
    expect(events.last).to_contain_text("notification.sent")
    events.first.locator("summary").click()
    expect(events.first.locator("pre")).to_contain_text('"eventType": "order.created"')
    expect(page.locator("#notifications a")).to_have_count(1)


def test_stages_stand_from_left_to_right_and_steps_of_one_stage_in_a_column(page: Page) -> None:
    opened(page, stories.confirmed())
    boxes: dict[str, Any] = {
        name: page.locator(f"[data-step={name}]").bounding_box() or {}
        for name in ("hold_stock", "authorize_payment", "capture_payment", "commit_stock")
    }
    assert boxes["hold_stock"]["x"] == boxes["authorize_payment"]["x"]
    assert boxes["hold_stock"]["y"] < boxes["authorize_payment"]["y"]
    assert boxes["hold_stock"]["x"] < boxes["capture_payment"]["x"] < boxes["commit_stock"]["x"]


def test_what_strangers_wrote_is_text(page: Page) -> None:
    evil = "<script>document.title='owned'</script>"
    order = stories.placed(name=evil)
    stories.dead_delivery(order, error=evil)
    opened(page, order)
    assert page.title() != "owned"
    expect(page.locator("#lines")).to_contain_text(evil)
    expect(page.locator("#deliveries")).to_contain_text(evil)


def test_no_page_runs_what_strangers_wrote(page: Page) -> None:
    """The marker is in every free text of a shop, and each page of the admin is visited."""
    evil = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>'
    order = stories.stuck()
    stories.dead_delivery(order, error=evil)
    stories.told(order, Kind.CANCELLATION, html=evil)
    planted = plant(evil)
    assert planted > 15
    texts = []
    for address in addresses():
        page.goto(address)
        texts.append(page.content())
        assert page.evaluate("window.owned") is None, address
        assert page.locator("img[src=x]").count() == 0, address
    assert sum("&lt;script&gt;" in text for text in texts) > 5


def test_the_api_documentation_works_under_the_policy(page: Page) -> None:
    page.goto("/api/v1/docs/")
    expect(page.locator(".opblock").first).to_be_visible(timeout=60_000)


PARSED = {
    "status", "state", "kind", "type", "subscriber", "queue", "task", "saga", "name_of_build", "currency", "version",
    "stream", "source", "reason_code", "codename", "app_label", "model", "password", "secret", "prefix", "hashed_key",
    "traceparent", "correlation_id", "causation_id", "error_type", "key", "country",
}  # fmt: skip
"""Fields that hold a code of ours, not text of a person."""


def plant(marker: str) -> int:
    """Writes the marker into every free text of every row; returns how many columns of how many rows took it."""
    planted = 0
    for model in apps.get_models():
        if (
            model._meta.label_lower in {"events.storedevent", "desk.audit", "sagas.sagastep"}
            or model._meta.app_label not in APPLICATIONS
        ):
            continue
        unique = {name for names in model._meta.total_unique_constraints for name in names.fields}
        for field in model._meta.concrete_fields:
            free = isinstance(field, CharField | TextField) and not field.choices and not field.unique
            if free and field.name not in PARSED | unique and (field.max_length or 10**6) >= len(marker):
                rows: Any = model._default_manager.all()
                rows = rows.unrecorded() if isinstance(rows, AggregateQuerySet) else rows
                planted += rows.update(**{field.name: marker})
    return planted


def addresses() -> Iterator[str]:
    """Of each list in the admin, and of the first row's page and history."""
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        row = model._default_manager.first() if model._meta.managed else None
        if row is not None:
            yield reverse(f"{name}_change", args=[quote(row.pk)])
            yield reverse(f"{name}_history", args=[quote(row.pk)])


def test_the_letter_is_shown_but_may_do_nothing(page: Page) -> None:
    order = stories.confirmed()
    letter = stories.told(order, Kind.CANCELLATION, html="<p>Hi</p><script>parent.document.title='owned'</script>")
    page.goto(reverse("admin:notifications_notification_change", args=[letter.id]))
    expect(page.frame_locator("iframe.email").locator("p")).to_have_text("Hi")
    assert page.title() != "owned"


def test_an_order_is_cancelled_with_a_reason(page: Page) -> None:
    order = stories.confirmed()
    opened(page, order)
    page.get_by_role("link", name="Cancel order").click()
    page.get_by_role("button", name="Cancel permanently").click()
    expect(page.locator("form", has_text="This field is required")).to_be_visible()
    page.fill("input[name=reason]", "asked on the telephone")
    page.get_by_role("button", name="Cancel permanently").click()
    expect(page.locator(".headline")).to_contain_text("Cancelled", ignore_case=True)
    expect(page.get_by_role("link", name="Cancel order")).to_have_count(0)
    order.refresh_from_db()
    assert order.status == Status.CANCELLED


def test_selected_orders_are_cancelled_together(page: Page) -> None:
    orders = [stories.confirmed() for _ in range(2)]
    page.goto(reverse("admin:orders_order_changelist"))
    page.locator("input.action-select").nth(0).check()
    page.locator("input.action-select").nth(1).check()
    page.select_option("select[name=action]", "cancel_selected")
    page.get_by_role("button", name="Run").click()
    page.fill("input[name=reason]", "sold out")
    page.get_by_role("button", name="Cancel permanently").click()
    expect(page.get_by_text("Cancellation requested for 2 orders.")).to_be_visible()
    for order in orders:
        order.refresh_from_db()
        assert order.status == Status.CANCELLED


def test_a_dead_delivery_is_retried(page: Page) -> None:
    delivery = stories.dead_delivery(stories.placed())
    page.goto(reverse("admin:events_delivery_change", args=[delivery.id]))
    page.locator("details.attempt summary").first.click()
    expect(page.locator("details.attempt pre").first).to_contain_text("Traceback")
    page.get_by_role("link", name="Retry").click()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("1 dead deliveries are due again.")).to_be_visible()
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.PENDING


def test_a_group_of_dead_deliveries_is_retried(page: Page) -> None:
    for _ in range(2):
        stories.dead_delivery(stories.placed())
    page.goto(reverse("admin:events_delivery_changelist"))
    page.get_by_role("link", name="Dead letters by error").click()
    page.get_by_role("link", name="Retry group").click()
    expect(page.locator("[data-confirm-objects]")).to_contain_text("SMTPServerDisconnected")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("2 dead deliveries are due again.")).to_be_visible()
    expect(page.get_by_text("There are no dead letters.")).to_be_visible()


def test_a_dead_delivery_is_edited_after_its_difference_was_seen(page: Page) -> None:
    delivery = stories.dead_delivery(stories.placed())
    page.goto(reverse("admin:events_delivery_change", args=[delivery.id]))
    page.get_by_role("link", name="Edit data").click()
    data = page.locator("textarea[name=payload]")
    data.fill(data.input_value().replace("19.80", "1.00"))
    page.fill("input[name=reason]", "a wrong total")
    expect(page.get_by_role("button", name="Retry with these data")).to_have_count(0)
    page.get_by_role("button", name="Show the difference").click()
    expect(page.locator("[data-difference]")).to_contain_text('+    "amount": "1.00"')
    page.get_by_role("button", name="Retry with these data").click()
    expect(page.get_by_text("due again, with the edited data")).to_be_visible()
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.PENDING


def test_a_stuck_step_is_skipped_from_the_order_page(page: Page) -> None:
    opened(page, stories.stuck())
    page.locator("#sagas").get_by_role("link", name="Skip a step").click()
    page.select_option("select[name=step]", "authorize_payment")
    page.fill("input[name=reason]", "voided at the bank")
    page.get_by_role("button", name="Skip").click()
    expect(page.get_by_text("the saga continues within a few seconds")).to_be_visible()
    expect(page.locator("[data-step=authorize_payment]")).to_contain_text("skipped")


@pytest.mark.parametrize("width", [420, 1440])
def test_nothing_runs_out_of_the_page(page: Page, width: int) -> None:
    order = stories.stuck()
    stories.dead_delivery(order, error="x" * 400)
    page.set_viewport_size({"width": width, "height": 1000})
    opened(page, order)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
