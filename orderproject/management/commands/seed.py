"""`manage.py seed`: creates products, stock and two users for the local stack. Safe to repeat."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import transaction

from desk import terminal
from inventory.models import Product, Stock, Warehouse
from orderproject.models import User

WAREHOUSES = [("BER", "Berlin", 1), ("RTM", "Rotterdam", 2)]
# SKU, name, price in EUR, on hand in Berlin and in Rotterdam
CATALOGUE = [
    ("MUG-RED", "Mug, red", "9.90", 400, 200),
    ("MUG-BLUE", "Mug, blue", "9.90", 300, 300),
    ("TEAPOT-1L", "Teapot, one litre", "34.50", 80, 60),
    ("KETTLE-STEEL", "Kettle, stainless steel", "49.00", 50, 50),
    ("TEA-ASSAM", "Assam, 250 g", "12.75", 500, 500),
    ("TEA-SENCHA", "Sencha, 250 g", "16.20", 250, 250),
    ("TEA-ROOIBOS", "Rooibos, 250 g", "8.40", 600, 100),
    ("COFFEE-1KG", "Coffee beans, 1 kg", "21.90", 300, 300),
    ("GRINDER-HAND", "Hand grinder", "64.00", 25, 15),
    ("FILTER-100", "Paper filters, 100", "4.20", 900, 900),
    ("SPOON-SET", "Tea spoons, set of six", "18.00", 120, 0),
    ("TRAY-OAK", "Oak tray", "42.00", 5, 3),
    ("SAMOVAR", "Samovar, brass", "389.00", 0, 0),
]


class Command(terminal.Command):
    help = "Creates products, stock, and the users admin/admin and customer/customer for the local stack."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError(
                "seed creates users with known passwords: run it only outside production (ENVIRONMENT=stack)"
            )
        with transaction.atomic():
            self._catalogue()
            self._users()

    def _catalogue(self) -> None:
        for code, name, priority in WAREHOUSES:
            Warehouse.objects.get_or_create(code=code, defaults={"name": name, "priority": priority})
        for sku, name, price, *on_hand in CATALOGUE:
            product, new = Product.objects.get_or_create(
                sku=sku, defaults={"name": name, "price": Decimal(price), "currency": "EUR", "low_stock": 10}
            )
            if new:
                Stock.objects.bulk_create(
                    Stock(product=product, warehouse_id=code, on_hand=quantity)
                    for (code, _, _), quantity in zip(WAREHOUSES, on_hand, strict=True)
                )

    def _users(self) -> None:
        if not User.objects.filter(username="admin").exists():
            User.objects.create_superuser("admin", "admin@example.com", "admin")
        if not User.objects.filter(username="customer").exists():
            User.objects.create_user("customer", "customer@example.com", "customer")
