"""The settings of the event kernel, each with its type and its default.

They are read from Django's settings at every use, so `override_settings` works in tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar, cast, overload

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")
NUMBER = (int, float)


class Setting(Generic[T]):
    """One setting; `least` is the smallest number that makes sense."""

    name: str

    def __init__(self, default: T, *, kinds: tuple[type, ...], says: str, least: float | None = None) -> None:
        self.default = default
        self.kinds = kinds
        self.says = says
        self.least = least

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Setting[T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> Setting[T] | T:
        return self if instance is None else self.value()

    def value(self) -> T:
        return cast("T", getattr(django_settings, self.name, self.default))

    def problem(self) -> str:
        """What is wrong with the value, and what to set instead; empty if nothing is."""
        value: Any = self.value()
        fits = isinstance(value, self.kinds) and not isinstance(value, bool)
        if not fits:
            return f"{self.name} is {value!r}: set it to {self.says}"
        if self.least is not None and value < self.least:
            return f"{self.name} is {value!r}: set it to {self.says}, at least {self.least:g}"
        return ""


class Required(Setting[str]):
    """A setting without a default."""

    def __init__(self, *, says: str) -> None:
        super().__init__("", kinds=(str,), says=says)

    def value(self) -> str:
        """Raises ImproperlyConfigured if it is not set."""
        value = super().value()
        if not value:
            raise ImproperlyConfigured(self.missing)
        return value

    @property
    def missing(self) -> str:
        return f"{self.name} is not set: set it to {self.says}"

    def problem(self) -> str:
        return super().problem() if getattr(django_settings, self.name, "") else self.missing


class AppSettings:
    """Base of the kernels' settings: one class attribute for each of them."""

    def __iter__(self) -> Iterator[Setting[Any]]:
        return (one for one in vars(type(self)).values() if isinstance(one, Setting))


def number(default: float, says: str, *, least: float) -> Setting[float]:
    return Setting(default, kinds=NUMBER, says=f"a number of {says}", least=least)


def count(default: int, says: str, *, least: int) -> Setting[int]:
    return Setting(default, kinds=(int,), says=f"a whole number of {says}", least=least)


def text(says: str, default: str = "") -> Setting[str]:
    return Setting(default, kinds=(str,), says=says)


class EventSettings(AppSettings):
    REDIS_URL = Required(says="the address of Redis or Valkey, such as redis://127.0.0.1:6379/0")

    # --- The relay
    RELAY_BATCH = count(2000, "deliveries that a relay claims of each subscriber in one round", least=1)
    RELAY_POLL = number(1.0, "seconds between two rounds when no hint arrives", least=0.001)
    RELAY_LEASE = number(60.0, "seconds until an unanswered delivery is sent again", least=1)
    RELAY_LINGER = number(0.5, "seconds in which a batch fills up under load", least=0)
    RELAY_MAX_QUEUE_DEPTH = count(2, "messages; the relay sends nothing to a queue in which more wait", least=0)

    # --- Workers
    WORKER_TASK_LIMIT = number(360.0, "seconds after which a running task counts as stuck", least=1)

    # --- Retention
    RETENTION_DELIVERIES = number(30.0, "days until finished deliveries are deleted", least=0)
    RETENTION_DEAD_MESSAGES = number(30.0, "days until retried or discarded dead messages are deleted", least=0)

    # --- Processes
    RELEASE = text("the version of the code, which processes report")

    # --- Live streams
    LIVE_LIFETIME = number(900.0, "seconds after which a live stream checks permissions again", least=1)
    LIVE_OWNERS = text("the dotted path of the function that says who owns each stream")
    LIVE_STREAMS = text("the dotted path of the function that says which streams an owner has")

    # --- The catalogue
    PUBLIC_URL = text("the address of the API, such as https://shop.example", default="http://127.0.0.1:8000")
    EVENT_SERVERS: Setting[Mapping[str, str]] = Setting(
        {}, kinds=(Mapping,), says="a dictionary of server names and their addresses"
    )
    EVENT_BROKERS = text("the dotted path of the function that says what brokers carry")
    EVENT_CHANNELS: Setting[Mapping[str, dict[str, Any]]] = Setting(
        {}, kinds=(Mapping,), says="a dictionary of the names and descriptions of further channels"
    )


event_settings = EventSettings()
