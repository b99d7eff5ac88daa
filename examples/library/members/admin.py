"""Members in Django's own admin."""

from django.contrib import admin

from desk.readonly import ReadOnlyAdmin
from members.models import Deposit, Letter, Member


@admin.register(Member)
class MemberAdmin(ReadOnlyAdmin):
    list_display = ("name", "balance")


admin.site.register(Deposit)
admin.site.register(Letter)
