"""What the orders service needs from other services. Settings name the functions that provide it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from events import Money


@dataclass(frozen=True)
class Offer:
    """A product's current name and price."""

    sku: str
    name: str
    price: Money


def offers(skus: Sequence[str]) -> dict[str, Offer]:
    """Offers by SKU, from the function that `settings.CATALOGUE` names. Products that are not for sale are left out."""
    return {sku: Offer(sku, name, price) for sku, (name, price) in _catalogue()(skus).items()}


def card_asked(order_id: UUID) -> bool:
    """Whether anything may have been asked of the order's card, from the function that `settings.CARD_ASKED` names."""
    return cast("Callable[[UUID], bool]", import_string(settings.CARD_ASKED))(order_id)


@cache
def _catalogue() -> Callable[[Sequence[str]], Mapping[str, tuple[str, Money]]]:
    return cast("Callable[[Sequence[str]], Mapping[str, tuple[str, Money]]]", import_string(settings.CATALOGUE))


def warehouses() -> Mapping[str, str]:
    """The names of warehouses by code, from the function that `settings.WAREHOUSES` names."""
    return cast("Callable[[], Mapping[str, str]]", import_string(settings.WAREHOUSES))()
