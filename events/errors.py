"""Every error of the kernel; each says what to do."""


class DeclarationError(TypeError):
    """An event, subscriber or saga is declared wrongly; the sentence names the place."""


class Refused(Exception):
    """A business "no": never retried. `code` is for programs, `detail` for people."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(detail or code)
        self.code = code
        self.detail = detail or code


class Conflict(Exception):
    """Another transaction wrote the same aggregate or stream first: read it again and retry."""


class UnrecordedWrite(Exception):
    """A bulk write would change aggregates without an event: use `save_all`, or say `.unrecorded()`."""


class TimeLimitExceeded(Exception):
    """A handler or a step went on for longer than its `time_limit`: it is cut off, and tried again later."""


class Vanished(Exception):
    """A worker began this and never came back, once too often: look at what it does to its process."""


class UnknownEvent(LookupError):
    """The log holds an event of a type or version that no code declares: deploy the code that does."""
