"""Blocking clients of the card processor: in this process, or the project's sandbox over HTTP."""

from __future__ import annotations

import json
import os
import uuid
from decimal import Decimal
from typing import Protocol

import urllib3

from bench.peers.whole.baskets import CARD, CURRENCY

INPROCESS = "inprocess"
ADDRESS = "PEER_GATEWAY"
"""The environment variable that names the gateway for worker processes."""
RUN = "PEER_RUN"
"""The environment variable with the id of the run, because several runs use the same order numbers at one sandbox."""


class GatewayUnavailable(Exception):
    """It is unknown whether the call took effect. Retry with the same key."""


class GatewayError(Exception):
    """The request was invalid. A retry does not help."""


class Declined(Exception):
    """The processor refused the call, and a retry would be refused too."""


class Gateway(Protocol):
    def authorize(self, reference: str, amount: Decimal, key: str) -> str:
        """Returns the authorization's id. Idempotent per key."""
        ...

    def capture(self, authorization_id: str, key: str) -> None: ...

    def void(self, authorization_key: str, key: str) -> None: ...


class InProcess:
    """Answers immediately."""

    def authorize(self, reference: str, amount: Decimal, key: str) -> str:
        return f"auth-{reference}"

    def capture(self, authorization_id: str, key: str) -> None:
        pass

    def void(self, authorization_key: str, key: str) -> None:
        pass


class Http:
    """Uses urllib3 directly with persistent connections, because requests costs twice as much CPU."""

    def __init__(self, url: str, run: str, connections: int) -> None:
        self._url = url.rstrip("/")
        self._run = run
        self._pool = urllib3.PoolManager(
            maxsize=connections, block=True, retries=False, timeout=urllib3.Timeout(connect=2.0, read=5.0)
        )

    def authorize(self, reference: str, amount: Decimal, key: str) -> str:
        body = {"token": CARD, "amount": f"{amount:f}", "currency": CURRENCY, "reference": reference}
        return str(self._post("/v1/authorizations", body, key)["id"])

    def capture(self, authorization_id: str, key: str) -> None:
        self._post(f"/v1/authorizations/{authorization_id}/capture", {}, key)

    def void(self, authorization_key: str, key: str) -> None:
        self._post("/v1/void", {"authorizationKey": f"{self._run}-{authorization_key}"}, key)

    def _post(self, path: str, body: dict[str, str], key: str) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"{self._run}-{key}"}
        try:
            answer = self._pool.request("POST", self._url + path, body=json.dumps(body), headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise GatewayUnavailable(f"The processor did not answer: {error!r}") from error
        if answer.status in (402, 409, 410):
            raise Declined(f"The processor answered {answer.status}.")
        if answer.status >= 500 or answer.status in (408, 425, 429):
            raise GatewayUnavailable(f"The processor answered {answer.status}.")
        if answer.status >= 300:
            raise GatewayError(f"The processor answered {answer.status}: {answer.data[:200]!r}")
        return dict(json.loads(answer.data)) if answer.data else {}


def environment(address: str) -> dict[str, str]:
    """The environment variables for the workers of one run."""
    return {ADDRESS: address, RUN: uuid.uuid4().hex}


def chosen(connections: int = 100) -> Gateway:
    """The gateway that the environment names."""
    address = os.environ.get(ADDRESS, INPROCESS)
    return InProcess() if address == INPROCESS else Http(address, os.environ[RUN], connections)
