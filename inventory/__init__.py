"""The inventory service: products, warehouses, stock and reservations."""
