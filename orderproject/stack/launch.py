"""The moment between fork and exec, as a program: `launch.py PARENT SIGNAL IDENTITY PROGRAM ARGS...`

A program and not a `preexec_fn`, because that runs Python in a forked copy of a threaded parent. It ties the
child's life to its parent's, puts the signals back to their defaults, changes to another user if told to
(IDENTITY is `uid:gid:capability`, or `-`), and becomes PROGRAM. It runs without site-packages.
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
        become(*(int(part) for part in identity.split(":")))
    # After the change of user, which clears it.
    die_with(int(parent), int(death_signal))
    default_signals()
    try:
        os.execvp(argv[0], argv)  # noqa: S606  a fixed program, no shell  # nosec B606
    except OSError as error:
        sys.exit(f"cannot run {argv[0]}: {error.strerror}")


def die_with(parent: int, death_signal: int) -> None:
    if sys.platform == "linux":
        prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone already")


def default_signals() -> None:
    for name in NAMES:
        signal.signal(signal.Signals[name], signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def become(uid: int, gid: int, capability: int) -> None:
    """Another user, keeping one capability over the exec if `capability` is not -1."""
    if capability >= 0:
        # Keeps the capabilities over setuid, and also lets access(2), with which PostgreSQL looks at its own
        # programs, count them: for a real user other than root it would leave them out.
        prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if capability >= 0:
        keep_only(capability)


def keep_only(capability: int) -> None:
    mask = 1 << capability
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    # Twice effective, permitted, inheritable: the low 32 capabilities, then the high ones.
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
