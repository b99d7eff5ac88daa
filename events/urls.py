"""Below `/api/v1/`."""

from django.urls import path

from events import api

urlpatterns = [
    path("dead-letters/", api.DeadLetters.as_view(), name="dead-letters"),
    path("dead-letters/groups/", api.DeadLetterGroups.as_view(), name="dead-letter-groups"),
    path("dead-letters/retry/", api.RetryDeadLetters.as_view(), name="dead-letters-retry"),
    path("dead-letters/discard/", api.DiscardDeadLetters.as_view(), name="dead-letters-discard"),
    path("dead-letters/<uuid:letter>/", api.OneDeadLetter.as_view(), name="dead-letter"),
    path("dead-letters/<uuid:letter>/edit/", api.EditDeadLetter.as_view(), name="dead-letter-edit"),
]
