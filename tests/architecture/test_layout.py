"""Every service has the same file names, and only those it needs."""

import pytest

from orderproject.stack.processes import PROJECT

SERVICES = ("orders", "inventory", "payments", "notifications")
PACKAGES = ("events", "sagas", *SERVICES, "orderproject")
FILES = {
    "__init__", "admin", "api", "apps", "events", "evolve", "models", "ports", "sagas", "selectors", "serializers",
    "services", "sql", "steps", "subscribers", "tasks", "urls",
}  # fmt: skip
FOLDERS = {"migrations", "management", "static", "templates", "jinja2", "__pycache__"}
# What a service has beyond them, each with its reason.
BEYOND = {
    "inventory/allocation.py": "who gets what from where: pure, apart from the rows",
    "inventory/by_hand.py": "what staff change in the catalogue and the stock, with its line in the audit",
    "inventory/filters.py": "what lists of products and stock can be narrowed to, over HTTP",
    "inventory/openapi.py": "what the API's description says beside the types",
    "orders/accepting.py": "one order per key, or many in a call",
    "orders/filters.py": "what a list of orders can be narrowed to, over HTTP",
    "orders/finding.py": "the same in the admin: by an index, never by counting",
    "orders/fulfilment.py": "what is done with an order once it is confirmed: shipped, delivered, returned",
    "orders/fulfilment_admin.py": "the same in the admin, on the order's page",
    "orders/fulfilment_api.py": "the same over HTTP",
    "orders/group_commit.py": "what several threads write at the same instant, as one",
    "orders/idempotency.py": "one answer per key, in the transaction of its effect",
    "orders/one_statement.py": "the most frequent write of all, apart from the services: it takes care to read",
    "orders/openapi.py": "what the API's description says beside the types",
    "orders/page.py": "the whole story of an order, gathered for its page in the admin",
    "notifications/mail.py": "a mail as Django writes it, in a third of the time",
    "notifications/mailbox.py": "a Django mail backend, named in the settings",
    "notifications/filters.py": "what lists of webhooks and their deliveries can be narrowed to, over HTTP",
    "notifications/openapi.py": "what the API's description says of webhooks beside the types",
    "notifications/webhook_admin.py": "the admin's pages about webhooks, beside those about mail",
    "notifications/webhooks": "everything about sending to others: who hears what, secrets, addresses, HTTP",
    "orders/requests.py": "what every call about orders asks of its request",
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
