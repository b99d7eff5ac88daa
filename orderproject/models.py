"""Who uses the system."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from uuid_utils.compat import uuid7


class User(AbstractUser):
    """A customer or a member of staff; the id is what events call `customerId`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
