"""The routes of the inventory service, under `/api/v1/`."""

from django.urls import path

from inventory.api import AdjustStock, OneProduct, Products, Stock

urlpatterns = [
    path("products/", Products.as_view(), name="products"),
    path("products/<str:sku>/", OneProduct.as_view(), name="product"),
    path("stock/", Stock.as_view(), name="stock"),
    path("stock/adjust/", AdjustStock.as_view(), name="stock-adjust"),
]
