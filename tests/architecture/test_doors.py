"""What of the kernel, and of the packages below it, others may import; the rest is private to its package."""

from pathlib import Path

import pytest

from orderproject.stack.processes import PROJECT
from tests.architecture.test_circles import graph_of

KERNEL = ("desk", "web", "events", "sagas")
PUBLIC = {
    "desk": {
        "desk.actors", "desk.audit", "desk.confirm", "desk.console", "desk.edits", "desk.flower", "desk.forgetting",
        "desk.json_text", "desk.one_line", "desk.personal_data", "desk.readonly", "desk.service",
        "desk.terminal", "desk.theme",
    },
    "web": {
        "web.calendar", "web.email_address", "web.etags", "web.filters", "web.ids", "web.moments", "web.openapi",
        "web.permissions",
        "web.typed", "web.unprocessable", "web.views",
    },
    "events": {
        "events", "events.errors", "events.models",
        "events.breakers.breaker",
        "events.catalogue.envelopes", "events.catalogue.markdown", "events.catalogue.serializers",
        "events.db.bisect", "events.db.columns", "events.db.keyed", "events.db.model_signals",
        "events.db.patience", "events.db.query",
        "events.db.reconnect", "events.db.valkey",
        "events.declare.codec", "events.declare.foreign", "events.declare.ids",
        "events.declare.money", "events.declare.money_fields",
        "events.declare.queues",
        "events.declare.read_model", "events.declare.registry",
        "events.declare.routing", "events.declare.subscribers",
        "events.delivery.broker", "events.delivery.failures", "events.delivery.outbox",
        "events.delivery.retention", "events.delivery.subscribe",
        "events.delivery.wake",
        "events.live.follow", "events.live.frames", "events.live.hub", "events.live.ports", "events.live.response",
        "events.live.selection",
        "events.live.threads",
        "events.liveness.heartbeat",
        "events.log.aggregate", "events.log.append", "events.log.bound", "events.log.context",
        "events.log.fold", "events.log.tally",
        "events.log.watermark",
        "events.metrics.declare", "events.metrics.presence", "events.metrics.process", "events.metrics.reading",
        "events.timeline.moments", "events.tracing.names", "events.tracing.spans",
        "events.worker.amqp_transport", "events.worker.broker_queues", "events.worker.periodic_tasks",
    },
    "sagas": {
        "sagas", "sagas.decorators", "sagas.definition", "sagas.models", "sagas.plan", "sagas.saga", "sagas.start",
        "sagas.operations.picture", "sagas.operations.repair",
    },
}  # fmt: skip
# The saga kernel is made of the same stuff as that of events, so it may also use these.
FOR_SAGAS = {
    "events.conf", "events.setting_checks", "events.db.time_limit",
    "events.delivery.leases", "events.monitor.pieces", "events.testing",
}  # fmt: skip
MOST_MODULES = 15


def owner(module: str) -> str:
    return module.partition(".")[0]


def entered(root: Path) -> dict[str, set[str]]:
    """What each module of ours imports from a package of the kernel that it does not belong to."""
    found = {
        module: {one for one in imported if owner(one) in KERNEL and owner(one) != owner(module)}
        for module, imported in graph_of(root).items()
    }
    return {module: imported for module, imported in found.items() if imported}


def test_others_use_the_doors() -> None:
    past_the_door = {
        module: private
        for module, imported in entered(PROJECT).items()
        if (private := {one for one in imported if one not in PUBLIC[owner(one)]})
        and not (owner(module) == "sagas" and private <= FOR_SAGAS)
    }
    assert past_the_door == {}


def test_each_door_is_used() -> None:
    """One that nobody uses any more is a wall again."""
    used = {one for imported in entered(PROJECT).values() for one in imported}
    assert set().union(*PUBLIC.values(), FOR_SAGAS) - used == set()


@pytest.mark.parametrize("package", ["events", "sagas"])
def test_no_folder_is_a_drawer(package: str) -> None:
    folders = {path.parent for path in (PROJECT / package).rglob("*.py") if "migrations" not in path.parts}
    counts = {folder: len([path for path in folder.glob("*.py") if path.stem != "__init__"]) for folder in folders}
    assert {str(folder): count for folder, count in counts.items() if count > MOST_MODULES} == {}
