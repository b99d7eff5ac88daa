"""The admin page of failed log-ins, without django-axes' action to clean up.

That action asks for no permission, and fails: it needs what django-axes adds to a request that logs in. Attempts that
have expired are deleted at the next log-in.
"""

from typing import ClassVar

from axes.admin import AccessAttemptAdmin
from axes.models import AccessAttempt
from django.contrib import admin

admin.site.unregister(AccessAttempt)


@admin.register(AccessAttempt)
class AttemptAdmin(AccessAttemptAdmin):
    actions: ClassVar[list[str]] = []
