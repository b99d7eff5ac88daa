"""What is written down of a failure: its text without NUL characters, and the number of the attempt."""

import pytest

from events.delivery.failures import Attempts, message_of, summary_of, traceback_of, type_of
from events.errors import Refused


def refuse(detail: str) -> None:
    raise Refused("broken", detail)


def test_an_error_is_told_by_class_message_and_traceback() -> None:
    with pytest.raises(Refused) as raised:
        refuse("a\0b")
    error = raised.value
    assert type_of(error) == "events.errors.Refused"
    assert type_of(ValueError()) == "builtins.ValueError"
    assert "\0" in str(error)
    assert message_of(error) == str(error).replace("\0", "")
    assert summary_of(error) == f"Refused: {message_of(error)}"
    assert "\0" not in traceback_of(error)
    assert traceback_of(error).startswith("Traceback (most recent call last)")


def test_attempts_are_looked_up_once_and_only_where_taking_failed() -> None:
    asked: list[str] = []

    def look_up(key: str) -> int:
        asked.append(key)
        return 4

    attempts = Attempts(look_up)
    attempts.taken({"known": 2})
    assert [attempts.failed("known"), attempts.failed("unknown"), attempts.failed("unknown")] == [3, 5, 5]
    assert asked == ["unknown"]
