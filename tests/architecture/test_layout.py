"""Every service has the same file names, and only those it needs."""

import pytest

from orderproject.applications import PACKAGES, SERVICES
from orderproject.stack.processes import PROJECT

FILES = {
    "__init__", "admin", "api", "apps", "events", "evolve", "models", "personal_data", "ports", "sagas", "selectors",
    "serializers", "services", "sql", "steps", "subscribers", "tasks", "urls",
}  # fmt: skip
FOLDERS = {"migrations", "management", "static", "templates", "jinja2", "__pycache__"}
# What a service has beyond them, each with its reason.
BEYOND = {
    "inventory/allocation.py": "who gets what from where: pure, apart from the rows",
    "inventory/rules.py": "which codes and texts may be, for the models and the API",
    "inventory/staff_edits.py": "what staff change in the catalogue and the stock, with its line in the audit",
    "inventory/filters.py": "what lists of products and stock can be narrowed to, over HTTP",
    "inventory/openapi.py": "what the API's description says beside the types",
    "orders/api": "the views, the JSON types, the filters and the descriptions of the endpoints",
    "orders/admin_search.py": "the search of the admin: by an index, never by counting",
    "orders/placing": "accepting an order: idempotency, group commit, and one statement for all of it",
    "orders/fulfilment": "what is done with an order once it is confirmed: shipped, delivered, returned",
    "orders/sales.py": "what a batch of events adds to the daily sales: pure, apart from the rows",
    "orders/errors.py": "why an operation is refused: for the models, the services and the API",
    "orders/addresses.py": "shipping addresses: what new ones may hold, and what stored ones hold",
    "orders/carriers.py": "reads the tracking messages of carriers that do not speak CloudEvents",
    "orders/parts.py": "lines, parcels, cancellations and refunds, beside the models of orders",
    "orders/returns.py": "returns and their steps, beside the models of orders",
    "orders/paid.py": "what the log says of an order's payment and its refunds: pure, apart from the rows",
    "orders/page.py": "the whole story of an order, gathered for its page in the admin",
    "notifications/mail.py": "a mail as Django writes it, in a third of the time",
    "notifications/mailbox.py": "a Django mail backend, named in the settings",
    "notifications/filters.py": "what lists of webhooks and their deliveries can be narrowed to, over HTTP",
    "notifications/openapi.py": "what the API's description says of webhooks beside the types",
    "notifications/webhook_admin.py": "the admin's pages about webhooks, beside those about mail",
    "notifications/webhooks": "everything about sending to others: who hears what, secrets, addresses, HTTP",
    "orders/tallies.py": "what the metrics count of the log about orders",
    "publishing/badge.py": "the number beside the admin's link to held streams",
    "publishing/engine": "cursors, records, held streams and the process that moves them on; knows no broker",
    "publishing/inbox": "events of other systems: readers, identities, and what could not be read",
    "publishing/rabbitmq": "the publisher to RabbitMQ: exchange, frames, confirmations",
    "publishing/kafka": "the publisher to Kafka: topics, producer, reports",
    "payments/gateway": "the port to the card processor and its adapters",
    "payments/gateways.py": "which adapter the settings ask for",
    "payments/sandbox": "the card processor for tests, a program of its own",
}
SHAPELESS = {"utils", "util", "helpers", "helper", "common", "misc"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_usual_files(service: str) -> None:
    unusual = {
        f"{service}/{path.name}"
        for path in (PROJECT / service).iterdir()
        if not ((path.stem in FILES and path.suffix == ".py") or path.name in FOLDERS)
    }
    assert unusual <= BEYOND.keys(), "give it a usual name, or list it in BEYOND with its reason"


def test_what_is_listed_as_unusual_exists() -> None:
    assert [path for path in BEYOND if not (PROJECT / path).exists()] == []


def test_no_module_is_a_drawer_for_everything() -> None:
    found = [path for package in PACKAGES for path in (PROJECT / package).rglob("*") if path.stem in SHAPELESS]
    assert found == []
