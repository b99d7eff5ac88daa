"""Prepares a child process and executes a program: `exec_wrapper.py PARENT SIGNAL IDENTITY PROGRAM ARGS...`

It makes the child die with its parent, resets the signal handlers, switches to another user if required (IDENTITY is
`uid:gid:capability`, or `-`), and executes PROGRAM. It is a program instead of a `preexec_fn`, because a `preexec_fn`
runs Python in a forked copy of a multi-threaded parent. It runs without site-packages.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGPIPE", "SIGCHLD")


def main() -> None:
    parent, death_signal, identity, *argv = sys.argv[1:]
    if identity != "-":
        switch_user(*(int(part) for part in identity.split(":")))
    # After switching the user, which clears this setting.
    die_with_parent(int(parent), int(death_signal))
    default_signals()
    try:
        os.execvp(argv[0], argv)  # noqa: S606  a fixed program, no shell  # nosec B606
    except OSError as error:
        sys.exit(f"cannot run {argv[0]}: {error.strerror}")


def die_with_parent(parent: int, death_signal: int) -> None:
    if sys.platform == "linux":
        prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        sys.exit("the parent process has already ended")


def default_signals() -> None:
    for name in NAMES:
        signal.signal(signal.Signals[name], signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def switch_user(uid: int, gid: int, capability: int) -> None:
    """Switches to another user. Keeps one capability across the exec unless `capability` is -1."""
    if capability >= 0:
        # Keeps the capabilities across setuid. It also makes access(2) respect them, which PostgreSQL uses to check
        # its own programs; for a real user other than root, access(2) would ignore them.
        prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if capability >= 0:
        keep_only_capability(capability)


def keep_only_capability(capability: int) -> None:
    mask = 1 << capability
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    # Effective, permitted and inheritable sets: first for the low 32 capabilities, then for the high ones.
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def prctl(option: int, first: int, second: int = 0) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = [ctypes.c_ulong(value) for value in (first, second, 0, 0)]
    if libc.prctl(option, *arguments) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


if __name__ == "__main__":
    main()
