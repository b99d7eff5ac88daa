"""An object store on loopback that speaks as much of S3 as a Kafka broker needs for its disk.

`tansu` keeps its topics in it, so they outlive a broker that is killed. The store can be full and slow by request.
"""

from __future__ import annotations

import asyncio
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import md5
from xml.sax.saxutils import escape

from aiohttp import web

from orderproject.stack.ports import HOST, free_port

PAGE = 1000
FULL = 507
"""Insufficient Storage."""


class Store:
    """Use as a context manager. Its thread serves until the block ends."""

    def __init__(self) -> None:
        self.port = free_port()
        self.full = False
        self.delay = 0.0
        """Seconds before each answer."""
        self._objects: dict[str, tuple[bytes, str, datetime]] = {}
        self._keys: list[str] = []
        """Sorted, as a list of them is answered."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="object-store", daemon=True)
        self._ready = threading.Event()

    @property
    def environment(self) -> dict[str, str]:
        """What leads a client of S3 here."""
        return {
            "AWS_ENDPOINT": f"http://{HOST}:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "local",
        }

    def __enter__(self) -> Store:
        self._thread.start()
        assert self._ready.wait(10), "the object store did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @contextmanager
    def filled(self) -> Iterator[None]:
        """Takes nothing for as long as the block."""
        self.full = True
        try:
            yield
        finally:
            self.full = False

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        application = web.Application(client_max_size=2**26)
        application.router.add_route("GET", "/{bucket}", self._list)
        application.router.add_route("GET", "/{bucket}/{key:.*}", self._get)
        application.router.add_route("PUT", "/{bucket}/{key:.*}", self._put)
        application.router.add_route("DELETE", "/{bucket}/{key:.*}", self._delete)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        self._loop.run_until_complete(web.TCPSite(runner, HOST, self.port).start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())

    async def _get(self, request: web.Request) -> web.Response:
        if not request.match_info["key"]:
            return await self._list(request)
        await asyncio.sleep(self.delay)
        found = self._objects.get(request.match_info["key"])
        if found is None:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        body, tag, changed = found
        headers = {"ETag": tag, "Last-Modified": f"{changed:%a, %d %b %Y %H:%M:%S GMT}"}
        return web.Response(body=b"" if request.method == "HEAD" else body, headers=headers)

    async def _put(self, request: web.Request) -> web.Response:
        body, key = await request.read(), request.match_info["key"]
        await asyncio.sleep(self.delay)
        if self.full:
            return web.Response(status=FULL)
        found = self._objects.get(key)
        expected = request.headers.get("If-Match")
        if (request.headers.get("If-None-Match") == "*" and found) or (expected and expected != (found and found[1])):
            return web.Response(status=412)
        tag = f'"{md5(body, usedforsecurity=False).hexdigest()}-{len(self._objects)}"'
        if found is None:
            insort(self._keys, key)
        self._objects[key] = body, tag, datetime.now(UTC)
        return web.Response(headers={"ETag": tag})

    async def _delete(self, request: web.Request) -> web.Response:
        if self._objects.pop(request.match_info["key"], None):
            self._keys.remove(request.match_info["key"])
        return web.Response(status=204)

    async def _list(self, request: web.Request) -> web.Response:
        prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
        after = request.query.get("continuation-token") or request.query.get("start-after", "")
        rows: list[str] = []
        folders: dict[str, None] = {}
        last = ""
        start = bisect_right(self._keys, after) if after else bisect_left(self._keys, prefix)
        for key in self._keys[max(start, bisect_left(self._keys, prefix)) :]:
            if not key.startswith(prefix):
                break
            if len(rows) + len(folders) >= PAGE:
                return _page(rows, folders, last)
            last = key
            head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            if found:
                folders[f"{prefix}{head}{delimiter}"] = None
            else:
                rows.append(_row(key, *self._objects[key]))
        return _page(rows, folders, "")


def _row(key: str, body: bytes, tag: str, changed: datetime) -> str:
    return (
        f"<Contents><Key>{escape(key)}</Key><LastModified>{changed:%Y-%m-%dT%H:%M:%S.%f}Z</LastModified>"
        f"<ETag>{escape(tag)}</ETag><Size>{len(body)}</Size></Contents>"
    )


def _page(rows: list[str], folders: dict[str, None], after: str) -> web.Response:
    more = f"<NextContinuationToken>{escape(after)}</NextContinuationToken>" if after else ""
    text = (
        f"<ListBucketResult><IsTruncated>{str(bool(after)).lower()}</IsTruncated>{more}{''.join(rows)}"
        + "".join(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in folders)
        + "</ListBucketResult>"
    )
    return web.Response(text=text, content_type="application/xml")
