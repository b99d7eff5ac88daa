"""The front page of the site, and its icon."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.http import require_safe


@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """Where people and programs find what they look for."""
    return render(request, "orderproject/front.html")


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers ask for `/favicon.ico` on pages that name no icon."""
    return redirect(static("orderproject/favicon.svg"))
