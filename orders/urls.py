"""The routes of the orders service, under `/api/v1/`."""

from django.urls import path

from orders.api.views import BulkOrders, OneOrder, OrderEvents, Orders, OrderStream, Stream
from orders.fulfilment.api import Cancel, Deliver, Refunds, Shipments
from orders.fulfilment.returns_api import Approve, OneReturn, OrderReturns, Receive, Reject, Returns
from web import ids  # noqa: F401  registers the converter `id`

urlpatterns = [
    path("orders/", Orders.as_view(), name="orders"),
    path("orders/bulk/", BulkOrders.as_view(), name="orders-bulk"),
    path("orders/<id:order_id>/", OneOrder.as_view(), name="order"),
    path("orders/<id:order_id>/cancel/", Cancel.as_view(), name="order-cancel"),
    path("orders/<id:order_id>/shipments/", Shipments.as_view(), name="order-shipments"),
    path("orders/<id:order_id>/deliver/", Deliver.as_view(), name="order-deliver"),
    path("orders/<id:order_id>/returns/", OrderReturns.as_view(), name="order-returns"),
    path("orders/<id:order_id>/refunds/", Refunds.as_view(), name="order-refunds"),
    path("orders/<id:order_id>/events/", OrderEvents.as_view(), name="order-events"),
    path("orders/<id:order_id>/stream/", OrderStream.as_view(), name="order-stream"),
    path("returns/", Returns.as_view(), name="returns"),
    path("returns/<id:return_id>/", OneReturn.as_view(), name="return"),
    path("returns/<id:return_id>/approve/", Approve.as_view(), name="return-approve"),
    path("returns/<id:return_id>/reject/", Reject.as_view(), name="return-reject"),
    path("returns/<id:return_id>/receive/", Receive.as_view(), name="return-receive"),
    path("stream/", Stream.as_view(), name="stream"),
]
