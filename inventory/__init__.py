"""Inventory: products, warehouses, stock and its reservations."""
