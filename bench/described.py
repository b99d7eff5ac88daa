"""Describes each scenario for the report and names the main figure of its table."""

from __future__ import annotations

from dataclasses import dataclass

from bench.rounds import INPROCESS


@dataclass(frozen=True)
class Scenario:
    """A description. `text` is a paragraph of the report; a name such as `growth-` is a prefix of scenario names."""

    name: str
    heading: str
    figure: str
    text: str
    gateway: str = INPROCESS
    """The gateway of the main table: `http` for scenarios that only the sandbox supports."""


SCENARIOS = (
    Scenario(
        "storm",
        "Storm",
        "per_second",
        "Concurrent clients place a fixed number of orders; the time runs from the first request until the last "
        "order is finished and its e-mail is sent. Ours takes the orders over HTTP, with a token and an "
        "idempotency key; the peers take them from a function call, which costs them less.",
    ),
    Scenario(
        "drain",
        "Drain",
        "per_second",
        "All orders are placed before any worker starts; the time runs from the start of the work until the last "
        "order is finished.",
    ),
    Scenario(
        "light",
        "Light load",
        "p50_ms",
        "Ten orders per second, so that no order waits for another: milliseconds from placed to confirmed.",
    ),
    Scenario(
        "flash", "Flash sale", "per_second", "A storm of orders for one SKU, with far less stock than is ordered."
    ),
    Scenario("large", "Large orders", "lines_per_second", "A storm of orders with 200 lines each."),
    Scenario(
        "declined",
        "Declined cards",
        "per_second",
        "A storm in which the gateway declines half of the cards, so that half of the orders are compensated.",
    ),
    Scenario(
        "slow",
        "Slow gateway",
        "per_second",
        "A storm in which every call to the gateway takes 300 ms.",
    ),
    Scenario("bulk", "Bulk placing", "per_second", "Many orders in one request."),
    Scenario(
        "sse",
        "Live streams",
        "p50_ms",
        "Many open streams while orders are placed: milliseconds from recorded to received.",
    ),
    Scenario("replay", "Replay", "per_second", "The log is read again from its beginning: events per second."),
    Scenario(
        "growth-",
        "Growth",
        "per_second",
        "A storm on tables that already contain the number of orders in the scenario's name, with their events "
        "and deliveries.",
    ),
    Scenario("append", "Appending to the log", "per_second", "Events written in batches: events per second."),
    Scenario("relay", "Relay", "per_second", "Recorded events handed to the broker: events per second."),
    Scenario(
        "streams",
        "Publishing to brokers",
        "per_second",
        "A backlog of the log is published to Kafka (tansu, in memory) and to RabbitMQ: events per second, each "
        "confirmed by the broker. Afterwards a plain consumer checks that nothing is missing or in the wrong order.",
    ),
    Scenario(
        "publishing",
        "Orders beside publishing",
        "p50_ms",
        "Orders that come alone, without brokers and with publishers to Kafka and RabbitMQ, in turn. The brokers use "
        "the same processors.",
    ),
    Scenario("memory", "Memory", "rss_mib", "Resident memory after ten minutes of load."),
    Scenario(
        "tracing",
        "Traces",
        "cpu_ratio",
        "The storm and light load without traces, at 1 % and at 100 %, in turn: CPU per order beside that without.",
    ),
    Scenario("idle", "Idle", "cpu_percent", "The whole stack without any orders: percent of one core."),
)


def described(name: str) -> Scenario:
    """The description of a scenario. One without a description keeps its name; its main figure is the throughput."""
    for one in SCENARIOS:
        if name == one.name or (one.name.endswith("-") and name.startswith(one.name)):
            return one
    return Scenario(name, name.capitalize(), "per_second", "")
