"""Books and loans in Django's own admin."""

from django.contrib import admin

from desk.readonly import ReadOnlyAdmin
from lending.models import Book, Loan

admin.site.register(Book)


@admin.register(Loan)
class LoanAdmin(ReadOnlyAdmin):
    list_display = ("id", "isbn", "member_id", "status", "reason")
    list_filter = ("status",)
