"""Below `/api/v1/`."""

from django.urls import path

from sagas.operations import api
from web import ids  # noqa: F401  registers the converter `id`

urlpatterns = [
    path("sagas/", api.Sagas.as_view(), name="sagas"),
    path("sagas/<id:run_id>/", api.OneSaga.as_view(), name="saga"),
    path("sagas/<id:run_id>/retry/", api.RetrySaga.as_view(), name="saga-retry"),
    path("sagas/<id:run_id>/skip/", api.SkipStep.as_view(), name="saga-skip"),
    path("sagas/<id:run_id>/compensate/", api.CompensateSaga.as_view(), name="saga-compensate"),
]
