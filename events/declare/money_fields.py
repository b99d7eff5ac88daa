"""Model fields for money. They need Django, which declaring events does not."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models

from events.declare.currencies import MOST_DECIMALS
from events.declare.money import BadMoney, check_currency

if TYPE_CHECKING:
    Base = models.DecimalField[Decimal | int | str, Decimal]
else:
    Base = models.DecimalField


class AmountField(Base):
    """An amount in any currency, exact and of any size: the column is `numeric` without a precision.

    `whole_digits` limits what forms accept. Nothing limits what the column holds, so sums cannot overflow it.
    """

    def __init__(self, *args: Any, whole_digits: int = 40, **kwargs: Any) -> None:
        self.whole_digits = whole_digits
        limits = {"max_digits": whole_digits + MOST_DECIMALS, "decimal_places": MOST_DECIMALS}
        super().__init__(*args, **{**kwargs, **limits})

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        for computed in ("max_digits", "decimal_places"):
            del kwargs[computed]
        return name, path, args, {**kwargs, "whole_digits": self.whole_digits}

    def db_type(self, connection: Any) -> str:
        return "numeric"


def validate_currency(code: str) -> None:
    """A Django validator."""
    try:
        check_currency(code)
    except BadMoney as bad:
        raise ValidationError(str(bad), code="currency") from bad
