"""The admin is all there is: it shows the services' rows and the kernel's pages."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
