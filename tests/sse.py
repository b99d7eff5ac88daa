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


Block = dict[str, str]
"""The fields up to an empty line; a comment is a field without a name."""


def blocks(lines: Iterator[str]) -> Iterator[Block]:
    """Whole ones only: what a broken connection leaves half told is told again."""
    fields: Block = {}
    for line in lines:
        name, _, value = line.partition(":")
        if line:
            fields[name] = value.removeprefix(" ")
        else:
            yield fields
            fields = {}


def events(lines: Iterator[str]) -> Iterator[Received]:
    return (_received(block) for block in blocks(lines) if "data" in block)


def _received(block: Block) -> Received:
    return Received(int(block["id"]), block["event"], json.loads(block["data"]))


class Reader:
    """Reads in a thread of its own. Use as a context manager: nothing goes on reading."""

    def __init__(self, url: str, token: str, last: int | None = None) -> None:
        self.last = last
        self.received: list[Received] = []
        self.comments = 0
        self.ends: list[str] = []
        self.resumed: list[int | None] = []
        """The last id at each opening."""
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
            self.resumed.append(self.last)
            self._response = response
            try:
                if not self._leaving.is_set():
                    self._take(response)
            finally:
                self._response = None

    def _take(self, response: httpx.Response) -> None:
        for block in blocks(response.iter_lines()):
            if "id" in block:  # also without data: the place from which it goes on
                self.last = int(block["id"])
            if "data" in block:
                self.received.append(_received(block))
            self.comments += "" in block
            self.opened.set()
        self.ends.append("end")
