"""Below `/api/v1/`."""

from django.urls import path

from orders.api import BulkOrders, Cancel, OneOrder, OrderEvents, Orders

urlpatterns = [
    path("orders/", Orders.as_view(), name="orders"),
    path("orders/bulk/", BulkOrders.as_view(), name="orders-bulk"),
    path("orders/<uuid:order_id>/", OneOrder.as_view(), name="order"),
    path("orders/<uuid:order_id>/cancel/", Cancel.as_view(), name="order-cancel"),
    path("orders/<uuid:order_id>/events/", OrderEvents.as_view(), name="order-events"),
]
