"""The REST views for products and stock. Anyone can read products; changing them and all of stock need staff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseNotModified
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from desk.actors import actor_of
from inventory import models, openapi, staff_edits
from inventory import serializers as wire
from inventory.filters import ProductFilters, StockFilters
from inventory.ports import answer_once
from inventory.selectors import products
from web import etags
from web.permissions import Holds
from web.typed import convert


class _Optional(BaseAuthentication):
    """Who sends no valid credentials reads as anyone does."""

    def __init__(self, required: BaseAuthentication) -> None:
        self._required = required

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        with suppress(AuthenticationFailed):
            return self._required.authenticate(request)
        return None


class _OpenToRead(APIView):
    """Read requests need no authentication; other methods need the permission in `needs`.

    Staff who may view or change products also see those that are not for sale.
    """

    permission_classes = (Holds,)

    def get_authenticators(self) -> list[BaseAuthentication]:
        required = super().get_authenticators()
        return [_Optional(one) for one in required] if self._reads() else required

    def shown(self, request: Request) -> tuple[QuerySet[models.Product], bool]:
        """The products that the caller may see, and whether it sees them as staff."""
        staff = any(request.user.has_perm(f"inventory.{act}_product") for act in ("view", "change"))
        return products(also_inactive=staff), staff

    def get_permissions(self) -> Sequence[Any]:
        return [] if self._reads() else super().get_permissions()

    def _reads(self) -> bool:
        return getattr(self.request, "method", None) in SAFE_METHODS  # the schema generator has no request


class Products(_OpenToRead, GenericAPIView[models.Product]):
    needs = {"POST": "inventory.add_product"}
    queryset = models.Product.objects.none()  # the schema reads only its model
    filterset_class = ProductFilters
    many = True
    orderings: Mapping[str, tuple[str, ...]] = {"sku": ("sku",), "name": ("name", "sku"), "price": ("price", "sku")}
    default_ordering = "sku"

    @extend_schema(**openapi.LIST)
    def get(self, request: Request) -> Response:
        found, staff = self.shown(request)
        page = self.paginate_queryset(self.filter_queryset(found)) or []
        return self.get_paginated_response([wire.Product.of(product, staff=staff) for product in page])

    @extend_schema(**openapi.CREATE)
    def post(self, request: Request) -> Response:
        new = convert(request.data, wire.NewProduct)
        staff_edits.create_product(new.fields, actor=actor_of(request.user))
        product = products(also_inactive=True).get(sku=new.sku)
        headers = {"Location": reverse("product", args=[new.sku]), "ETag": wire.etag(product)}
        return Response(wire.ProductDetails.of(product), status=201, headers=headers)


class OneProduct(_OpenToRead):
    needs = {"PATCH": "inventory.change_product"}

    @extend_schema(**openapi.READ)
    def get(self, request: Request, sku: str) -> HttpResponse | Response:
        found, staff = self.shown(request)
        product = None if "\0" in sku else found.filter(sku=sku).first()
        if product is None:
            raise Http404("There is no such product, or it is not for sale.")
        tag = wire.etag(product)
        if etags.names(request.headers.get("If-None-Match", ""), tag, weak=True):
            return HttpResponseNotModified(headers={"ETag": tag})
        return Response(wire.Product.of(product, staff=staff), headers={"ETag": tag})

    @extend_schema(**openapi.CHANGE)
    def patch(self, request: Request, sku: str) -> Response:
        change = convert(request.data, wire.ProductChange)
        check = partial(_check_seen, request)
        actor = actor_of(request.user)
        product = None if "\0" in sku else staff_edits.change_product(sku, change.fields, actor=actor, check=check)
        if product is None:
            raise Http404("There is no such product, or it is not for sale.")
        return Response(wire.ProductDetails.of(product), headers={"ETag": wire.etag(product)})


def _check_seen(request: Request, product: models.Product) -> None:
    """Raises Stale if the product has changed since the caller read it (`If-Match`)."""
    header = request.headers.get("If-Match")
    if header is not None and not etags.names(header, wire.etag(product)):
        raise etags.Stale


class Stock(GenericAPIView[models.Stock]):
    permission_classes = (Holds,)
    needs = {"GET": "inventory.view_stock"}
    queryset = models.Stock.objects.none()  # the schema reads only its model
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
            return Response(_adjust(asked, actor_of(request.user)))
        user: Any = request.user
        return answer_once(
            request._request, user.id, lambda: (200, {}, wire.encode(_adjust(asked, actor_of(request.user))))
        )


def _adjust(asked: wire.Adjustment, actor: str) -> wire.Stock:
    return wire.Stock.of(staff_edits.adjust(asked.sku, asked.warehouse, asked.delta, actor=actor, reason=asked.reason))
