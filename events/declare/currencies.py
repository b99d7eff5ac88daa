"""The currencies of ISO 4217 and their minor units, from the package `iso4217`, which holds the standard's own list."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from iso4217 import Currency

DECIMALS: Final[Mapping[str, int]] = {one.code: one.exponent for one in Currency if one.exponent is not None}
"""How many decimals an amount has, by code: 2 for EUR, none for JPY, 3 for KWD.

Codes without minor units, such as those of gold and of tests, are not here: no payment uses them.
"""

MOST_DECIMALS: Final = max(DECIMALS.values())

SMALLEST: Final[Mapping[str, Decimal]] = {code: Decimal(1).scaleb(-decimals) for code, decimals in DECIMALS.items()}
"""The smallest amount of each currency, such as 0.01 for EUR and 1 for JPY."""
