"""The desk as a Django application."""

from desk.service import ServiceConfig, SidebarLink, SidebarSection


class DeskConfig(ServiceConfig):
    name = "desk"
    default_auto_field = "django.db.models.BigAutoField"
    sidebar = (SidebarSection("Audit", (SidebarLink("Audit", "policy", "audit"),), position=200),)
    personal_data = "desk.forgetting.Audits"
    permissions = {"operators": ("view_audit",), "auditors": ("view_audit",)}
