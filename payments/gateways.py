"""The gateway that the settings ask for: one per event loop."""

import asyncio

from django.conf import settings

from payments.gateway.memory import InProcessGateway
from payments.gateway.port import Gateway
from payments.gateway.sandbox import SandboxGateway

_gateways: dict[asyncio.AbstractEventLoop, Gateway] = {}


def gateway() -> Gateway:
    """The running loop's gateway. `PAYMENT_GATEWAY_URL` is a server's address, or `inprocess:` for none."""
    loop = asyncio.get_running_loop()
    if loop not in _gateways:
        _gateways[loop] = _made()
    return _gateways[loop]


def _made() -> Gateway:
    url = settings.PAYMENT_GATEWAY_URL
    if url == "inprocess:":
        return InProcessGateway(timeout=settings.PAYMENT_GATEWAY_TIMEOUT)
    return SandboxGateway(url, api_key=settings.PAYMENT_GATEWAY_KEY, timeout=settings.PAYMENT_GATEWAY_TIMEOUT)
