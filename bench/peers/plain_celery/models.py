from typing import ClassVar

from django.db import models
from django.utils import timezone


class Status(models.TextChoices):
    PLACED = "placed"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"


class Order(models.Model):
    email = models.EmailField()
    currency = models.CharField(max_length=3)
    total = models.DecimalField(max_digits=12, decimal_places=2)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PLACED)
    created_at = models.DateTimeField(default=timezone.now)
    confirmed_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)
    mails = models.PositiveSmallIntegerField(default=0)
    objects: ClassVar["models.Manager[Order]"] = models.Manager()

    def __str__(self) -> str:
        return f"order {self.pk}"


class Line(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    sku = models.CharField(max_length=20)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)
    held = models.BooleanField(default=False)
    objects: ClassVar["models.Manager[Line]"] = models.Manager()

    def __str__(self) -> str:
        return f"{self.quantity} of {self.sku}"


class Stock(models.Model):
    sku = models.CharField(max_length=20, primary_key=True)
    available = models.PositiveIntegerField()
    held = models.PositiveIntegerField(default=0)
    sold = models.PositiveIntegerField(default=0)
    objects: ClassVar["models.Manager[Stock]"] = models.Manager()

    def __str__(self) -> str:
        return self.sku


class Payment(models.Model):
    class Status(models.TextChoices):
        AUTHORIZED = "authorized"
        CAPTURED = "captured"
        VOIDED = "voided"

    order = models.OneToOneField(Order, on_delete=models.CASCADE)
    authorization = models.CharField(max_length=64)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.AUTHORIZED)
    begun_at = models.DateTimeField()
    captured_at = models.DateTimeField(null=True)
    objects: ClassVar["models.Manager[Payment]"] = models.Manager()

    def __str__(self) -> str:
        return self.authorization
