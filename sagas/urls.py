"""Below `/api/v1/`."""

from django.urls import path

from sagas import api

urlpatterns = [
    path("sagas/", api.Sagas.as_view(), name="sagas"),
    path("sagas/<uuid:run_id>/", api.OneSaga.as_view(), name="saga"),
    path("sagas/<uuid:run_id>/retry/", api.RetrySaga.as_view(), name="saga-retry"),
    path("sagas/<uuid:run_id>/skip/", api.SkipStep.as_view(), name="saga-skip"),
    path("sagas/<uuid:run_id>/compensate/", api.CompensateSaga.as_view(), name="saga-compensate"),
]
