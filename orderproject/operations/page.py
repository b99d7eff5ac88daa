"""The operations page, and the stream that keeps it up to date. Both need the permission to view operations."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from events.live.frames import CONTENT_TYPE
from orderproject.operations import history, now
from orderproject.operations.charts import Chart, charts
from orderproject.operations.figures import Totals, buckets, error_share, failures, quantile
from orderproject.operations.format import Unit, shown
from orderproject.operations.history import RANGES, Range
from orderproject.operations.sampling import counted

PERMISSION = "orderproject.view_operations"
RATE_OVER = 120
"""Seconds over which rates are shown, at most."""
LATE = 60
"""Seconds after which waiting work is an alarm, and `ERRORS` the share of failed attempts."""
ERRORS = 0.05
TIMES_OVER = 300
"""Seconds over which the quantiles of times are shown, at most."""
AWAY = "The process for live streams is not reachable. The page keeps trying."


class Followed(HttpResponse):
    """The response that authorizes an open page; the process for live streams sends it what changes."""

    def __init__(self, of: Range, until: float) -> None:
        super().__init__(
            content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
        )
        self.range = of
        self.until = until


@dataclass(frozen=True)
class Tile:
    title: str
    value: str
    url: str = ""
    alarm: bool = False


@never_cache
@permission_required(PERMISSION, raise_exception=True)
@require_safe
def operations(request: HttpRequest) -> HttpResponse:
    of = _asked(request)
    context = {
        **admin.site.each_context(request), "title": "Operations", "range": of, "ranges": list(RANGES),
        "stream": f"{reverse('operations-stream')}?range={of.name}", "now": now_html(), "charts": charts_html(of),
    }  # fmt: skip
    return TemplateResponse(request, "admin/orderproject/operations/page.html", context)


@never_cache
def operations_stream(request: HttpRequest) -> HttpResponse:
    """401 and no way to the login, which a script cannot follow; 503 from a process for ordinary requests."""
    if not admin.site.has_permission(request):
        return HttpResponse("Log in to the admin.", status=401, content_type="text/plain")
    return _stream(request)


@permission_required(PERMISSION, raise_exception=True)
@require_safe
def _stream(request: HttpRequest) -> HttpResponse:
    of = _asked(request)
    if not isinstance(request, ASGIRequest):
        return HttpResponse(AWAY, status=503, content_type="text/plain")
    return Followed(of, time.time() + settings.LIVE_LIFETIME)


def _asked(request: HttpRequest) -> Range:
    return RANGES.get(request.GET.get("range", ""), RANGES["1h"])


# --- what changes ---------------------------------------------------------------------------------------------


def now_html() -> str:
    """Tiles and tables. Raises django.db.Error."""
    state = now.read()
    return render_to_string("admin/orderproject/operations/now.html", {"now": state, "tiles": _tiles(state)})


def charts_html(of: Range) -> str:
    """Raises django.db.Error."""
    return render_to_string("admin/orderproject/operations/charts.html", {"charts": _charts(of), "range": of})


def _charts(of: Range) -> list[Chart]:
    told = history.read(of)
    names = {name for point in told.points[-1:] for name in point.gauges}
    queues = sorted(name.removeprefix("waiting ") for name in names if name.startswith("waiting "))
    publishers = sorted(name.removeprefix("lag ") for name in names if name.startswith("lag "))
    return charts(told, queues, publishers)


def _tiles(state: now.Now) -> list[Tile]:
    totals = counted()
    fresh, longer = history.lately(totals, RATE_OVER), history.lately(totals, TIMES_OVER)
    rise, times = (fresh.rise if fresh else {}), (longer.rise if longer else {})

    def rate(name: str, per: float) -> float | None:
        return rise.get(name, 0.0) / fresh.seconds * per if fresh else None

    def both(name: str) -> str:
        numbers = buckets(name, times)
        return " / ".join(shown(quantile(share, numbers), Unit.SECONDS) for share in (0.5, 0.99))

    errors = error_share(rise)
    dead = None if state.dead is None else state.dead + (state.dead_messages or 0)
    return [
        Tile("Orders placed", shown(rate("placed", 60), Unit.PER_MINUTE), reverse("admin:orders_order_changelist")),
        Tile("Orders confirmed", shown(rate("confirmed", 60), Unit.PER_MINUTE)),
        Tile("Deliveries handled", shown(rate("handled", 1), Unit.PER_SECOND)),
        Tile("Critical time, p50 / p99", both("critical")),
        Tile("Placed to settled, p50 / p99", both("settling")),
        Tile("Error rate", shown(errors, Unit.PERCENT), alarm=(errors or 0) > ERRORS),
        Tile("Failed attempts", shown(_failed(rise, fresh), Unit.PER_MINUTE)),
        Tile("Backlog", shown(None if state.queues is None else state.waiting)),
        Tile("Oldest waiting", shown(None if state.queues is None else state.oldest, Unit.SECONDS),
             alarm=state.oldest > LATE),
        Tile("Breakers not closed", shown(state.breakers_not_closed), reverse("admin:events_breaker_changelist"),
             alarm=bool(state.breakers_not_closed)),
        Tile("Dead", shown(dead), _list("events_delivery", "state__exact=dead"), alarm=bool(dead)),
        Tile("Stuck sagas", shown(None if state.runs is None else state.stuck),
             _list("sagas_sagarun", "state__exact=stuck"), alarm=state.stuck > 0),
        *(Tile(f"Sales today (UTC), {one.confirmed} orders", f"{one.revenue} {one.currency}")
          for one in state.sales or ()),
    ]  # fmt: skip


def _failed(rise: Totals, fresh: history.Point | None) -> float | None:
    return failures(rise) / fresh.seconds * 60 if fresh else None


def _list(model: str, query: str) -> str:
    return f"{reverse(f'admin:{model}_changelist')}?{query}"
