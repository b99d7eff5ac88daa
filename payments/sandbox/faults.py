"""Fault switches for tests and operators. A restart clears them."""

from dataclasses import dataclass


@dataclass
class Faults:
    """`act_then_hang` is on, off, or the number of remaining calls that take effect but get no answer.

    `turned_away` counts the calls that were refused during outages.
    """

    outage: bool = False
    latency_ms: int = 0
    act_then_hang: bool | int = False
    turned_away: int = 0

    def takes_hang(self) -> bool:
        """Whether this call gets no answer. Decrements the count, if it is one."""
        hangs = bool(self.act_then_hang)
        if not isinstance(self.act_then_hang, bool) and hangs:
            self.act_then_hang -= 1
        return hangs
