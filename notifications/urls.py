"""The routes of the notifications service, under `/api/v1/`."""

from django.urls import path

from notifications import api
from web import ids  # noqa: F401  registers the converter `id`

urlpatterns = [
    path("webhooks/", api.Webhooks.as_view(), name="webhooks"),
    path("webhooks/<id:webhook_id>/", api.OneWebhook.as_view(), name="webhook"),
    path("webhooks/<id:webhook_id>/rotate-secret/", api.RotateSecret.as_view(), name="webhook-rotate-secret"),
    path("webhooks/<id:webhook_id>/test/", api.TestWebhook.as_view(), name="webhook-test"),
    path("webhooks/<id:webhook_id>/deliveries/", api.WebhookDeliveries.as_view(), name="webhook-deliveries"),
    path(
        "webhooks/<id:webhook_id>/deliveries/<id:delivery_id>/redeliver/",
        api.Redeliver.as_view(),
        name="webhook-redeliver",
    ),
    path(
        "webhooks/<id:webhook_id>/deliveries/<id:delivery_id>/skip/",
        api.SkipDelivery.as_view(),
        name="webhook-skip",
    ),
]
