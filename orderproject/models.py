"""Users, API keys, and the record of granted group permissions."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from uuid_utils.compat import uuid7

from desk.one_line import validate_one_line
from web.email_address import validate_email_address


class User(AbstractUser):
    """A customer or a member of staff. Events refer to its id as `customerId`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField("email address", blank=True, validators=[validate_email_address])
    forgotten_at = models.DateTimeField(
        null=True, editable=False, help_text="When all personal data were erased; see `accounts.forgetting`"
    )

    class Meta(AbstractUser.Meta):
        permissions = [("forget_user", "Can forget users: erase all their personal data")]


class ApiKey(models.Model):
    """An API key with the permissions of its user. Only a hash of its secret is stored; see `api_keys`."""

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="api_keys", help_text="The key has this user's permissions"
    )
    name = models.CharField(max_length=100, help_text="Who uses the key, and for what", validators=[validate_one_line])
    prefix = models.CharField(max_length=16, unique=True, editable=False, help_text="The public part of the key")
    digest = models.BinaryField(max_length=32, editable=False, help_text="SHA-256 of the secret part")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="In UTC; leave empty for a key that does not expire"
    )
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False, help_text="Accurate to ten minutes")

    class Meta:
        verbose_name = "API key"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.prefix} ({self.name})"


class Sample(models.Model):
    """What was counted until a minute, and what waited then, for the operations page; see `operations.sampling`."""

    minute = models.DateTimeField(primary_key=True)
    at = models.DateTimeField(help_text="When it was taken, by the database's clock")
    totals = models.JSONField(help_text="Counts since the installation began")
    gauges = models.JSONField()
    coarse = models.BooleanField(help_text="The only one of its quarter of an hour that is kept")

    class Meta:
        default_permissions = ()
        permissions = [("view_operations", "Can see the operations page")]

    def __str__(self) -> str:
        return f"{self.minute}"


class Grant(models.Model):
    """Records that a default group was granted this permission once; see `groups`."""

    group = models.CharField(max_length=150)
    permission = models.CharField(max_length=200, help_text="In the form app.codename")

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["group", "permission"], name="one_grant_each")]

    def __str__(self) -> str:
        return f"{self.group}: {self.permission}"
