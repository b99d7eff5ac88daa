"""The port to the card processor. Import the adapters from their own modules."""

from payments.gateway.port import (
    Authorization,
    Charge,
    Declined,
    Gateway,
    GatewayError,
    GatewayUnavailable,
)

__all__ = ["Authorization", "Charge", "Declined", "Gateway", "GatewayError", "GatewayUnavailable"]
