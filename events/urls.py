"""Routes of the kernel's API, mounted below `/api/v1/`."""

from django.urls import path

from events.catalogue import api as catalogue
from events.dead_letters import api as dead_letters
from events.replay import api as replay
from web import ids  # noqa: F401  registers the converter `id`

urlpatterns = [
    path("dead-letters/", dead_letters.DeadLetters.as_view(), name="dead-letters"),
    path("dead-letters/groups/", dead_letters.DeadLetterGroups.as_view(), name="dead-letter-groups"),
    path("dead-letters/retry/", dead_letters.RetryDeadLetters.as_view(), name="dead-letters-retry"),
    path("dead-letters/discard/", dead_letters.DiscardDeadLetters.as_view(), name="dead-letters-discard"),
    path("dead-letters/<id:letter>/", dead_letters.OneDeadLetter.as_view(), name="dead-letter"),
    path("dead-letters/<id:letter>/edit/", dead_letters.EditDeadLetter.as_view(), name="dead-letter-edit"),
    path("replays/", replay.Replays.as_view(), name="replays"),
    path("replays/<id:replay_id>/", replay.OneReplay.as_view(), name="replay"),
    path("events/", catalogue.Events.as_view(), name="events"),
    path("event-types/", catalogue.EventTypes.as_view(), name="event-types"),
    path("event-types/<str:type>/<str:version>/schema.json", catalogue.EventSchema.as_view(), name="event-schema"),
    path(
        "event-types/<str:type>/<str:version>/envelope.json", catalogue.EnvelopeSchema.as_view(), name="envelope-schema"
    ),
    path("asyncapi.json", catalogue.AsyncApi.as_view(), name="asyncapi"),
]
