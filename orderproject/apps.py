"""The project's own Django application: users, API keys and commands."""

from django.conf import settings
from django.core.checks import register
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules, import_string

from desk.service import PeriodicTask, ServiceConfig, SidebarLink, SidebarSection
from orderproject.accounts.groups import create_groups
from orderproject.checks import permissions_exist, sidebar_leads_somewhere


class OrderProjectConfig(ServiceConfig):
    name = "orderproject"
    sidebar = (
        SidebarSection(
            "Users",
            (
                SidebarLink("Users", "person", "user"),
                SidebarLink("Groups", "group", "auth.group"),
                SidebarLink("API keys", "key", "apikey"),
            ),
            position=300,
        ),
    )
    personal_data = "orderproject.accounts.personal_data.Account"
    permissions = {
        "order managers": ("view_user", "forget_user"),
        "operators": ("view_operations",),
        "auditors": ("view_user", "view_apikey", "view_operations", "auth.view_group", "admin.view_logentry"),
    }
    periodic_tasks = (
        PeriodicTask("forget late data", "accounts.forget_again", every=300.0, expires=300),
        PeriodicTask("sample operations", "operations.sample", every=60.0, expires=50),
    )

    def ready(self) -> None:
        autodiscover_modules("tasks")  # in every process, not in workers alone: checks and senders know them too
        register(permissions_exist)
        register(sidebar_leads_somewhere)
        if settings.OTEL_EXPORTER_OTLP_ENDPOINT:  # the SDK is loaded only then
            start = import_string("orderproject.observability.tracing.start")
            start(settings.OTEL_EXPORTER_OTLP_ENDPOINT, settings.OTEL_SERVICE_NAME)
        # The last application: by now all permissions exist.
        post_migrate.connect(create_groups, sender=self, dispatch_uid="orderproject.accounts.groups")
