"""Creates the gateway that the settings configure, one per event loop, and declares its circuit breaker."""

import asyncio

from django.conf import settings
from django.utils.module_loading import import_string

from events.breakers.breaker import Breaker, declare_breaker
from payments.gateway.memory import InProcessGateway
from payments.gateway.port import Gateway, GatewayUnavailable
from payments.gateway.sandbox import SandboxGateway


def _is_unavailable(error: Exception) -> bool:
    return isinstance(error, GatewayUnavailable | TimeoutError)


# The window covers all calls of a step that times out (three calls of five seconds and the waits between them), so that
# the successful calls of the same period count as much at the last of these calls as at the first.
BREAKER = declare_breaker(
    Breaker(
        "payments",
        is_fault=_is_unavailable,
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
    """The gateway of the running event loop. `PAYMENT_GATEWAY_URL` is the URL of a server, or `inprocess:`.

    `inprocess:` can be followed by the dotted path of another gateway class to run in this process.
    """
    loop = asyncio.get_running_loop()
    if loop not in _gateways:
        _gateways[loop] = _create()
    return _gateways[loop]


def _create() -> Gateway:
    url = settings.PAYMENT_GATEWAY_URL
    scheme, _, path = url.partition(":")
    if scheme == "inprocess":
        gateway_class: type[InProcessGateway] = import_string(path) if path else InProcessGateway
        return gateway_class(timeout=settings.PAYMENT_GATEWAY_TIMEOUT)
    return SandboxGateway(url, api_key=settings.PAYMENT_GATEWAY_KEY, timeout=settings.PAYMENT_GATEWAY_TIMEOUT)
