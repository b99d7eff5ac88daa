"""Below `/api/v1/`."""

from django.urls import path

from inventory.api import OneProduct, Products

urlpatterns = [
    path("products/", Products.as_view(), name="products"),
    path("products/<str:sku>/", OneProduct.as_view(), name="product"),
]
