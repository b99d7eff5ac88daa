"""What the codes of products and warehouses look like. The models, with them the admin, and the API share it."""

from __future__ import annotations

from django.core.validators import RegexValidator

SKU = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""A SKU is part of URLs."""
WAREHOUSE_CODE = "[A-Za-z0-9][A-Za-z0-9._-]{0,19}"
"""A warehouse's code is part of the ids of stock: `MUG-RED@BER`."""
MAX_DESCRIPTION = 10_000
"""Characters of a product's description."""
MAX_REASON = 500
"""Characters of the reason why stock was corrected."""
_ALLOWED = "Begin with a letter or a digit; after it, only letters, digits, dots, underscores and hyphens are allowed."

is_sku = RegexValidator(rf"\A{SKU}\Z", _ALLOWED)
is_warehouse_code = RegexValidator(rf"\A{WAREHOUSE_CODE}\Z", _ALLOWED)
