"""Switches with which tests and operators make the sandbox misbehave; a restart clears them."""

from dataclasses import dataclass


@dataclass
class Faults:
    """`act_then_hang` is on, off, or the number of calls left that act and never answer.

    `turned_away` counts the calls that came during outages.
    """

    outage: bool = False
    latency_ms: int = 0
    act_then_hang: bool | int = False
    turned_away: int = 0

    def takes_hang(self) -> bool:
        """Whether this call hangs; a count goes down by one."""
        hangs = bool(self.act_then_hang)
        if not isinstance(self.act_then_hang, bool) and hangs:
            self.act_then_hang -= 1
        return hangs
