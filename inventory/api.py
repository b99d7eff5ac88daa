"""The catalogue over HTTP, open to everyone; changing it, and the stock, are for staff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseNotModified
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from events import etags
from events.permissions import Holds
from events.typed import convert
from inventory import by_hand, models, openapi
from inventory import serializers as wire
from inventory.filters import ProductFilters, StockFilters
from inventory.ports import answer_once
from inventory.selectors import products


class _OpenToRead(APIView):
    """Whoever reads is not asked who they are."""

    permission_classes = (Holds,)

    def get_authenticators(self) -> list[BaseAuthentication]:
        return [] if self._reads() else super().get_authenticators()

    def get_permissions(self) -> Sequence[Any]:
        return [] if self._reads() else super().get_permissions()

    def _reads(self) -> bool:
        return getattr(self.request, "method", None) in SAFE_METHODS  # the schema is made without a request


class Products(_OpenToRead, GenericAPIView[models.Product]):
    needs = {"POST": "inventory.add_product"}
    queryset = models.Product.objects.none()  # its type is all that the schema asks
    filterset_class = ProductFilters
    many = True
    orderings: Mapping[str, tuple[str, ...]] = {"sku": ("sku",), "name": ("name", "sku"), "price": ("price", "sku")}
    default_ordering = "sku"

    @extend_schema(**openapi.LIST)
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(products())) or []
        return self.get_paginated_response([wire.Product.of(product) for product in page])

    @extend_schema(**openapi.CREATE)
    def post(self, request: Request) -> Response:
        new = convert(request.data, wire.NewProduct)
        by_hand.create_product(new.fields, actor=_actor(request))
        product = products(also_inactive=True).get(sku=new.sku)
        headers = {"Location": reverse("product", args=[new.sku]), "ETag": wire.etag(product)}
        return Response(wire.ProductDetails.of(product), status=201, headers=headers)


class OneProduct(_OpenToRead):
    needs = {"PATCH": "inventory.change_product"}

    @extend_schema(**openapi.READ)
    def get(self, request: Request, sku: str) -> HttpResponse | Response:
        product = None if "\0" in sku else products().filter(sku=sku).first()
        if product is None:
            raise Http404("There is no such product.")
        tag = wire.etag(product)
        if etags.names(request.headers.get("If-None-Match", ""), tag, weak=True):
            return HttpResponseNotModified(headers={"ETag": tag})
        return Response(wire.Product.of(product), headers={"ETag": tag})

    @extend_schema(**openapi.CHANGE)
    def patch(self, request: Request, sku: str) -> Response:
        change = convert(request.data, wire.ProductChange)
        check = partial(_check_seen, request)
        actor = _actor(request)
        product = None if "\0" in sku else by_hand.change_product(sku, change.fields, actor=actor, check=check)
        if product is None:
            raise Http404("There is no such product.")
        return Response(wire.ProductDetails.of(product), headers={"ETag": wire.etag(product)})


def _check_seen(request: Request, product: models.Product) -> None:
    """Raises Stale if the product is not what the caller has seen."""
    header = request.headers.get("If-Match")
    if header is not None and not etags.names(header, wire.etag(product)):
        raise etags.Stale


class Stock(GenericAPIView[models.Stock]):
    permission_classes = (Holds,)
    needs = {"GET": "inventory.view_stock"}
    queryset = models.Stock.objects.none()  # its type is all that the schema asks
    filterset_class = StockFilters
    many = True
    orderings: Mapping[str, tuple[str, ...]] = {
        "sku": ("product_id", "warehouse_id"),
        "warehouse": ("warehouse_id", "product_id"),
    }
    default_ordering = "sku"

    @extend_schema(**openapi.STOCK)
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(models.Stock.objects.all())) or []
        return self.get_paginated_response([wire.Stock.of(stock) for stock in page])


class AdjustStock(APIView):
    permission_classes = (Holds,)
    needs = {"POST": "inventory.change_stock"}

    @extend_schema(**openapi.ADJUST)
    def post(self, request: Request) -> HttpResponse | Response:
        asked = wire.Adjustment.of(request.data)
        if "Idempotency-Key" not in request.headers:
            return Response(_adjust(asked, _actor(request)))
        user: Any = request.user
        return answer_once(request._request, user.id, lambda: (200, {}, wire.encode(_adjust(asked, _actor(request)))))


def _adjust(asked: wire.Adjustment, actor: str) -> wire.Stock:
    return wire.Stock.of(by_hand.adjust(asked.sku, asked.warehouse, asked.delta, actor=actor, reason=asked.reason))


def _actor(request: Request) -> str:
    name: str = request.user.get_username()
    return name
