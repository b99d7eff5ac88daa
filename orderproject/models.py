"""Who uses the system."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from uuid_utils.compat import uuid7


class User(AbstractUser):
    """A customer or a member of staff; the id is what events call `customerId`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)


class ApiKey(models.Model):
    """A server's way in, with the rights of its user. The secret half is known to its owner alone: see `api_keys`."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys", help_text="Whose rights it has")
    name = models.CharField(max_length=100, help_text="Who uses it, and for what")
    prefix = models.CharField(max_length=16, unique=True, editable=False, help_text="The half that is no secret")
    digest = models.BinaryField(max_length=32, editable=False, help_text="SHA-256 of the secret half")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="UTC; empty: never")
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False, help_text="To ten minutes")

    class Meta:
        verbose_name = "API key"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.prefix} ({self.name})"


class Grant(models.Model):
    """A standard group has been given this permission once: see `groups`."""

    group = models.CharField(max_length=150)
    permission = models.CharField(max_length=200, help_text="As app.codename")

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["group", "permission"], name="one_grant_each")]

    def __str__(self) -> str:
        return f"{self.group}: {self.permission}"
