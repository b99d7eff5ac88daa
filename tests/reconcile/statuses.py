"""What has become of an order."""

KEPT = {"confirmed", "partially_shipped", "shipped", "delivered", "returned"}
"""Paid for and taken from the stock, as far as nothing came back."""
SETTLED = {*KEPT, "cancelled"}
