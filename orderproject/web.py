"""gunicorn's worker for the web process. Requests for live streams leave it with their connection."""

from __future__ import annotations

import gc
import socket
from importlib import import_module
from typing import Any

from django.conf import settings
from gunicorn.workers.gthread import ThreadWorker

from orderproject.live.handover import hand_over
from orderproject.paths import is_live

HELD_BACK = {"CONNECTION", "KEEP-ALIVE", "CONTENT-LENGTH", "TRANSFER-ENCODING", "EXPECT", "UPGRADE"}
"""Headers that speak of this connection or of a body."""
REQUESTS_PER_CONNECTION = 25
"""Then the client makes a new one, and the process that is less busy accepts it sooner (docs/decisions/0040)."""
COLLECT_AFTER = 10_000
"""New objects after which Python looks through them for cycles: two milliseconds' pause, where 100 000 take twenty."""


class Worker(ThreadWorker):
    """A thread serves a request for milliseconds and a stream for hours: a few clients would take every thread.

    Where the process of streams is away, the request goes on to the view, which says so.
    """

    def load_wsgi(self) -> None:
        """With every view, which Django imports for the first request; nothing of it is looked through for cycles."""
        super().load_wsgi()
        import_module(settings.ROOT_URLCONF)
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])

    def handle_request(self, req: Any, conn: Any) -> bool:
        if is_live(req.path) and _may_leave(req, conn) and hand_over(settings.LIVE_SOCKET, conn.sock, _as_read(req)):
            conn.sock.close()
            conn.sock = socket.socket()  # gunicorn would end the connection for both of us
            return False
        conn.served = getattr(conn, "served", 0) + 1
        if conn.served >= REQUESTS_PER_CONNECTION:
            req.force_close()
        return bool(super().handle_request(req, conn))


def _may_leave(req: Any, conn: Any) -> bool:
    return bool(settings.LIVE_SOCKET) and req.method in {"GET", "HEAD"} and not conn.cfg.is_ssl and _without_body(req)


def _without_body(req: Any) -> bool:
    return not any(
        name == "TRANSFER-ENCODING" or (name == "CONTENT-LENGTH" and value != "0") for name, value in req.headers
    )


def _as_read(req: Any) -> bytes:
    """The request once more. It is the last of its connection: what follows would be for this process again."""
    lines = [f"{req.method} {req.uri} HTTP/1.{req.version[1]}"]
    lines += [f"{name}: {value}" for name, value in req.headers if name not in HELD_BACK]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")
