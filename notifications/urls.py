"""Below `/api/v1/`."""

from django.urls import path

from notifications import api

urlpatterns = [
    path("webhooks/", api.Webhooks.as_view(), name="webhooks"),
    path("webhooks/<uuid:webhook_id>/", api.OneWebhook.as_view(), name="webhook"),
    path("webhooks/<uuid:webhook_id>/rotate-secret/", api.RotateSecret.as_view(), name="webhook-rotate-secret"),
    path("webhooks/<uuid:webhook_id>/test/", api.TestWebhook.as_view(), name="webhook-test"),
    path("webhooks/<uuid:webhook_id>/deliveries/", api.WebhookDeliveries.as_view(), name="webhook-deliveries"),
    path(
        "webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/redeliver/",
        api.Redeliver.as_view(),
        name="webhook-redeliver",
    ),
]
