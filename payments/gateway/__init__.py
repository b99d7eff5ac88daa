"""The card processor as the rest of the project sees it; adapters are imported from their own modules."""

from payments.gateway.port import (
    Authorization,
    Charge,
    Declined,
    Gateway,
    GatewayError,
    GatewayUnavailable,
)

__all__ = ["Authorization", "Charge", "Declined", "Gateway", "GatewayError", "GatewayUnavailable"]
