"""The kernel's exceptions. Each docstring says what the caller should do."""


class DeclarationError(TypeError):
    """The declaration of an event, subscriber or saga is invalid. The message names the module and the fix."""


class Refused(Exception):
    """A business rule forbids this. It is never retried. `code` is for programs, `detail` for people."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(detail or code)
        self.code = code
        self.detail = detail or code


class Conflict(Exception):
    """Another transaction wrote the same aggregate or stream first. Read it again and retry in a new transaction."""


class UnrecordedWrite(Exception):
    """A bulk write would change aggregates without recording an event. Use `save_all`, or call `.unrecorded()`."""


class TimeLimitExceeded(Exception):
    """A handler or a step exceeded its `time_limit` and was interrupted. It is retried later."""


class Vanished(Exception):
    """Every worker that ran this crashed before it finished. Find out why it crashes its process."""


class UnknownEvent(LookupError):
    """The log holds an event whose type or version no code declares. Deploy the code that declares it."""
