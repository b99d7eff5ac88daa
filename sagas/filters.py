"""What a list of sagas can be narrowed to."""

from __future__ import annotations

from django_filters import rest_framework as filters

from sagas.models import SagaRun
from sagas.plan import RunState


class SagaFilters(filters.FilterSet):
    saga = filters.CharFilter(max_length=100, label="The saga's name, such as PlaceOrder")
    state = filters.ChoiceFilter(choices=[(str(state), str(state)) for state in RunState])
    order = filters.UUIDFilter(field_name="subject", label="The order's id")

    class Meta:
        model = SagaRun
        fields: list[str] = []
