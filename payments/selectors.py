"""What other services may ask of the payments service."""

from __future__ import annotations

from uuid import UUID

from payments.models import Payment


def card_asked(order_id: UUID) -> bool:
    """Whether anything may have been asked of the order's card: the row is written before the processor is called."""
    return Payment.objects.filter(order_id=order_id).exists()
