"""A client of server-sent events, as the specification has it: it keeps the last id and comes back with it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Received:
    id: int
    type: str
    envelope: dict[str, Any]


def events(lines: Iterator[str]) -> Iterator[Received]:
    """Whole events only: what a broken connection leaves half told is told again."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if line:
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield Received(int(fields["id"]), fields["event"], json.loads(fields["data"]))
        if not line:
            fields = {}


class Reader:
    """Reads in a thread of its own. Use as a context manager: nothing goes on reading."""

    def __init__(self, url: str, token: str, last: int | None = None) -> None:
        self.last = last
        self.received: list[Received] = []
        self.comments = 0
        self.ends: list[str] = []
        self.opened = threading.Event()
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        self._leaving = threading.Event()
        self._response: httpx.Response | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self.cut()
        self._thread.join(10)

    def cut(self) -> None:
        """In the middle of whatever is coming; it connects again."""
        if response := self._response:
            with suppress(OSError):
                response.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        with httpx.Client(timeout=httpx.Timeout(20)) as http:
            while not self._leaving.is_set():
                try:
                    self._once(http)
                except httpx.TransportError as error:
                    self.ends.append(type(error).__name__)
                self._leaving.wait(0.01)

    def _once(self, http: httpx.Client) -> None:
        resume = {} if self.last is None else {"Last-Event-ID": str(self.last)}
        with http.stream("GET", self._url, headers=self._headers | resume) as response:
            if response.status_code != 200:
                self.ends.append(str(response.status_code))
                self._leaving.wait(0.2)
                return
            self._response = response
            try:
                if not self._leaving.is_set():
                    self._take(response)
            finally:
                self._response = None

    def _take(self, response: httpx.Response) -> None:
        for event in events(self._watched(response.iter_lines())):
            self.last = event.id
            self.received.append(event)
        self.ends.append("end")

    def _watched(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            self.opened.set()
            self.comments += line.startswith(":")
            yield line
