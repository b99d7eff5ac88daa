"""The gateway that the settings ask for: one per event loop."""

import asyncio

from django.conf import settings
from django.utils.module_loading import import_string

from events.breaker import Breaker, declare_breaker
from payments.gateway.memory import InProcessGateway
from payments.gateway.port import Gateway, GatewayUnavailable
from payments.gateway.sandbox import SandboxGateway


def _away(error: Exception) -> bool:
    return isinstance(error, GatewayUnavailable | TimeoutError)


# The window is as long as a hanging card goes on hanging (three calls of five seconds and the waits between), so that
# the good calls beside it weigh as much at its last call as at its first.
BREAKER = declare_breaker(
    Breaker(
        "payments",
        is_fault=_away,
        window=20.0,
        minimum_calls=20,
        error_ratio=0.5,
        in_a_row=10,
        cool_down=5.0,
        probes=3,
    )
)

_gateways: dict[asyncio.AbstractEventLoop, Gateway] = {}


def gateway() -> Gateway:
    """The running loop's gateway. `PAYMENT_GATEWAY_URL` is a server's address, or `inprocess:` for none.

    Behind `inprocess:` may stand the dotted path of another one to be called in this process.
    """
    loop = asyncio.get_running_loop()
    if loop not in _gateways:
        _gateways[loop] = _made()
    return _gateways[loop]


def _made() -> Gateway:
    url = settings.PAYMENT_GATEWAY_URL
    scheme, _, path = url.partition(":")
    if scheme == "inprocess":
        made: type[InProcessGateway] = import_string(path) if path else InProcessGateway
        return made(timeout=settings.PAYMENT_GATEWAY_TIMEOUT)
    return SandboxGateway(url, api_key=settings.PAYMENT_GATEWAY_KEY, timeout=settings.PAYMENT_GATEWAY_TIMEOUT)
