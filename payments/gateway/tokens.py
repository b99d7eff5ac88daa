"""The behaviour of the sandbox for each card token."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Decline:
    code: str
    message: str


@dataclass(frozen=True)
class TokenRule:
    """`outages` is the number of requests per idempotency key that get a 503 before one succeeds."""

    decline: Decline | None = None
    silent: bool = False
    outages: int = 0
    capture_fails: bool = False


RULES = {
    "tok_visa": TokenRule(),
    "tok_declined": TokenRule(decline=Decline("card_declined", "The card was declined.")),
    "tok_insufficient_funds": TokenRule(decline=Decline("insufficient_funds", "The card has insufficient funds.")),
    "tok_timeout": TokenRule(silent=True),
    "tok_flaky": TokenRule(outages=2),
    "tok_capture_fails": TokenRule(capture_fails=True),
}
UNKNOWN = TokenRule(decline=Decline("invalid_token", "There is no such card token."))


def rule_for(token: str) -> TokenRule:
    return RULES.get(token, UNKNOWN)
