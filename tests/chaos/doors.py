"""A door in front of a server: shut, nobody gets in and those inside are thrown out."""

import socket
import threading
from contextlib import suppress

from django.db import connection

from orderproject.stack.ports import HOST, free_port


class Door:
    """Passes bytes on from a port of its own. Use as a context manager.

    Whoever says `keeps_answers_to` inside is heard there, and gets no answer any more.
    """

    def __init__(self, port: int, keeps_answers_to: bytes = b"") -> None:
        self.port = free_port()
        self._keeps_answers_to = keeps_answers_to
        self._unanswered: set[socket.socket] = set()
        self._behind = port
        self._open = True
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server((HOST, self.port))

    @classmethod
    def to_postgres(cls) -> "Door":
        return cls(int(connection.settings_dict["PORT"]))

    def __enter__(self) -> "Door":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.shut()

    def open(self) -> None:
        self._open = True

    def shut(self) -> None:
        self._open = False
        while self._sockets:
            _close(self._sockets.pop())

    def forget(self) -> None:
        """From now on everybody who comes gets answers, whatever they say."""
        self._keeps_answers_to = b""

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                visitor, _ = self._listener.accept()
                if not self._open:
                    _close(visitor)
                    continue
                inside = socket.create_connection((HOST, self._behind))
                self._sockets += [visitor, inside]
                for source, target in ((visitor, inside), (inside, visitor)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self._keeps_answers_to and self._keeps_answers_to in data:
                    self._unanswered.add(source)
                if target not in self._unanswered:
                    target.sendall(data)
        _close(source)
        _close(target)


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
