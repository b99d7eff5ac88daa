"""The catalogue over HTTP, open to everyone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from inventory import models
from inventory import serializers as wire
from inventory.selectors import products

YES_NO = [("true", "yes"), ("false", "no")]


class ProductFilters(filters.FilterSet):
    search = filters.CharFilter(method="_search", max_length=200, label="In the SKU or the name")
    inStock = filters.ChoiceFilter(choices=YES_NO, method="_in_stock", label="Only what is, or is not, available")  # noqa: N815

    class Meta:
        model = models.Product
        fields: list[str] = []

    def _search(self, queryset: QuerySet[models.Product], name: str, text: str) -> QuerySet[models.Product]:
        return queryset.filter(Q(sku__icontains=text) | Q(name__icontains=text))

    def _in_stock(self, queryset: QuerySet[models.Product], name: str, value: str) -> QuerySet[models.Product]:
        counted: Any = queryset  # `available` is the selector's
        return counted.filter(available__gt=0) if value == "true" else counted.filter(available__lte=0)  # type: ignore[no-any-return]


class Products(GenericAPIView[models.Product]):
    authentication_classes = ()
    permission_classes = ()
    queryset = models.Product.objects.none()  # its type is all that the schema asks
    filterset_class = ProductFilters
    many = True
    orderings: Mapping[str, tuple[str, ...]] = {"sku": ("sku",), "name": ("name", "sku"), "price": ("price", "sku")}
    default_ordering = "sku"

    @extend_schema(
        operation_id="listProducts",
        tags=["products"],
        auth=[],
        summary="What is for sale",
        responses={200: wire.Product},
    )
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(products())) or []
        return self.get_paginated_response([wire.Product.of(product) for product in page])


class OneProduct(APIView):
    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="getProduct",
        tags=["products"],
        auth=[],
        summary="One product",
        responses={200: wire.Product, 404: OpenApiResponse(description="It is not for sale.")},
    )
    def get(self, request: Request, sku: str) -> Response:
        product = None if "\0" in sku else products().filter(sku=sku).first()
        if product is None:
            raise Http404("There is no such product.")
        return Response(wire.Product.of(product))
