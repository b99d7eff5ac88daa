"""The look of the admin pages: Unfold's where "unfold" is one of INSTALLED_APPS, else plain Django's.

The admin modules of the kernel take their base classes, filters, widgets and decorators from here only.
"""

from __future__ import annotations

from desk.elements import WITH_UNFOLD, badge

if WITH_UNFOLD:
    from unfold.admin import ModelAdmin, TabularInline
    from unfold.contrib.filters.admin import ChoicesCheckboxFilter, RadioFilter
    from unfold.decorators import action, display
    from unfold.enums import ActionVariant
    from unfold.paginator import InfinitePaginator as UncountedPaginator
    from unfold.widgets import UnfoldAdminSelectWidget as Select
    from unfold.widgets import UnfoldAdminTextareaWidget as Textarea
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput
else:
    from desk.plain import (
        ActionVariant,
        ChoicesCheckboxFilter,
        ModelAdmin,
        RadioFilter,
        Select,
        TabularInline,
        Textarea,
        TextInput,
        UncountedPaginator,
        action,
        display,
    )

__all__ = [
    "ActionVariant",
    "ChoicesCheckboxFilter",
    "ModelAdmin",
    "RadioFilter",
    "Select",
    "TabularInline",
    "TextInput",
    "Textarea",
    "UncountedPaginator",
    "action",
    "badge",
    "display",
]
