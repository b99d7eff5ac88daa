"""Below `/api/v1/`."""

from django.urls import path

from orders.api import BulkOrders, Cancel, OneOrder, OrderEvents, Orders, OrderStream, Stream
from orders.fulfilment_api import Deliver, Returns, Shipments

urlpatterns = [
    path("orders/", Orders.as_view(), name="orders"),
    path("orders/bulk/", BulkOrders.as_view(), name="orders-bulk"),
    path("orders/<uuid:order_id>/", OneOrder.as_view(), name="order"),
    path("orders/<uuid:order_id>/cancel/", Cancel.as_view(), name="order-cancel"),
    path("orders/<uuid:order_id>/shipments/", Shipments.as_view(), name="order-shipments"),
    path("orders/<uuid:order_id>/deliver/", Deliver.as_view(), name="order-deliver"),
    path("orders/<uuid:order_id>/returns/", Returns.as_view(), name="order-returns"),
    path("orders/<uuid:order_id>/events/", OrderEvents.as_view(), name="order-events"),
    path("orders/<uuid:order_id>/stream/", OrderStream.as_view(), name="order-stream"),
    path("stream/", Stream.as_view(), name="stream"),
]
