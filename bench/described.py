"""What each scenario does and which figure its table leads with."""

from __future__ import annotations

from dataclasses import dataclass

from bench.rounds import INPROCESS


@dataclass(frozen=True)
class Scenario:
    """`text` is a paragraph of the report; a name of the form `growth-` covers all that begin so."""

    name: str
    heading: str
    figure: str
    text: str
    gateway: str = INPROCESS
    """`http` where there is no other, because its answers are to be delayed."""


SCENARIOS = (
    Scenario(
        "storm",
        "Storm",
        "per_second",
        "Concurrent clients place orders until a fixed number is in; the clock runs from the first request until the "
        "last order is finished and its e-mail sent. Ours takes them over HTTP, with a token and an idempotency key; "
        "the peers are fed by a function call, which costs them less.",
    ),
    Scenario(
        "drain",
        "Drain",
        "per_second",
        "A backlog of placed orders is there before any work on it begins; the clock runs from that beginning until "
        "the last order is finished.",
    ),
    Scenario(
        "light",
        "Light load",
        "p50_ms",
        "Ten orders a second, so that nothing waits behind anything else: milliseconds from the order being placed to "
        "its being confirmed.",
    ),
    Scenario("flash", "Flash sale", "per_second", "A storm on one SKU, of which there is far less than is ordered."),
    Scenario("large", "Large orders", "lines_per_second", "A storm of orders with 200 lines each."),
    Scenario(
        "declined",
        "Declined cards",
        "per_second",
        "A storm in which the gateway declines half of the cards, so that half of the orders are undone.",
    ),
    Scenario(
        "slow",
        "Slow gateway",
        "per_second",
        "A storm in which every call of the gateway takes 300 ms.",
    ),
    Scenario("bulk", "Bulk placing", "per_second", "Many orders in one request."),
    Scenario("sse", "Live streams", "p50_ms", "Many open streams, and orders meanwhile: recorded to received."),
    Scenario("replay", "Replay", "per_second", "The log is read again from its beginning: events per second."),
    Scenario(
        "growth-",
        "Growth",
        "per_second",
        "The storm again, on tables that already hold the number of orders in the scenario's name, with their events "
        "and deliveries.",
    ),
    Scenario("append", "Appending to the log", "per_second", "Events written in batches: events per second."),
    Scenario("relay", "Relay", "per_second", "Recorded events handed to the broker: events per second."),
    Scenario("memory", "Memory", "rss_mib", "Resident memory after ten minutes of load."),
    Scenario("idle", "Idle", "cpu_percent", "The whole stack with nothing to do: percent of one core."),
)


def described(name: str) -> Scenario:
    """What stands above; a scenario that nobody described keeps its name and leads with its throughput."""
    for one in SCENARIOS:
        if name == one.name or (one.name.endswith("-") and name.startswith(one.name)):
            return one
    return Scenario(name, name.capitalize(), "per_second", "")
