"""CPU seconds of all processes of a run: this process, its children, and both servers."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import psutil


class Cost:
    """Finds the servers by their ports, which requires root or the same user. None without permission."""

    def __init__(self, *server_urls: str) -> None:
        ports = {urlsplit(url).port for url in server_urls}
        self._roots = [psutil.Process(os.getpid())]
        self._complete = False
        try:
            found = {
                connection.pid
                for connection in psutil.net_connections("tcp4")
                if connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port in ports
                and connection.pid
            }
        except psutil.AccessDenied:
            return
        self._complete = len(found) == len(ports)
        self._roots += [psutil.Process(pid) for pid in found]

    def seconds(self) -> float | None:
        """CPU seconds since each process started. Ended children count for their parents."""
        if not self._complete:
            return None
        everyone = {process.pid: process for root in self._roots for process in (root, *root.children(recursive=True))}
        total = 0.0
        for process in everyone.values():
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system + times.children_user + times.children_system
        return total
