"""Filters of the list of saga runs."""

from __future__ import annotations

from typing import Any

from django_filters import rest_framework as filters

from sagas.models import SagaRun
from sagas.operations.subject import SUBJECT
from sagas.plan import RunState


class SagaFilters(filters.FilterSet):
    saga = filters.CharFilter(max_length=100, label="The saga's name")
    state = filters.ChoiceFilter(choices=[(str(state), str(state)) for state in RunState])

    class Meta:
        model = SagaRun
        fields: list[str] = []

    @classmethod
    def get_filters(cls) -> dict[str, Any]:
        """The parameter for the subject has the name that the project gives it."""
        by_subject = filters.UUIDFilter(field_name="subject", label=f"The {SUBJECT}'s id")
        return {**super().get_filters(), SUBJECT: by_subject}
