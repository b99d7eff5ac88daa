"""Below `/api/v1/`."""

from django.urls import path

from events import api, log_api, replay_api

urlpatterns = [
    path("dead-letters/", api.DeadLetters.as_view(), name="dead-letters"),
    path("dead-letters/groups/", api.DeadLetterGroups.as_view(), name="dead-letter-groups"),
    path("dead-letters/retry/", api.RetryDeadLetters.as_view(), name="dead-letters-retry"),
    path("dead-letters/discard/", api.DiscardDeadLetters.as_view(), name="dead-letters-discard"),
    path("dead-letters/<uuid:letter>/", api.OneDeadLetter.as_view(), name="dead-letter"),
    path("dead-letters/<uuid:letter>/edit/", api.EditDeadLetter.as_view(), name="dead-letter-edit"),
    path("replays/", replay_api.Replays.as_view(), name="replays"),
    path("replays/<uuid:replay_id>/", replay_api.OneReplay.as_view(), name="replay"),
    path("events/", log_api.Events.as_view(), name="events"),
    path("event-types/", log_api.EventTypes.as_view(), name="event-types"),
    path("event-types/<str:type>/<str:version>/schema.json", log_api.EventSchema.as_view(), name="event-schema"),
    path("asyncapi.json", log_api.AsyncApi.as_view(), name="asyncapi"),
]
