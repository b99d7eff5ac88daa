"""What orders needs from elsewhere without knowing from whom; the settings name who answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string

from events import Money


@dataclass(frozen=True)
class Offer:
    """What a product is called and costs today."""

    sku: str
    name: str
    price: Money


def offers(skus: Sequence[str]) -> dict[str, Offer]:
    """Asks the function that `settings.CATALOGUE` names; what is not for sale is left out."""
    return {sku: Offer(sku, name, price) for sku, (name, price) in _catalogue()(skus).items()}


@cache
def _catalogue() -> Callable[[Sequence[str]], Mapping[str, tuple[str, Money]]]:
    return cast("Callable[[Sequence[str]], Mapping[str, tuple[str, Money]]]", import_string(settings.CATALOGUE))
