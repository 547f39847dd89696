"""Runs a server as a child that ends with its parent; as root, under an unprivileged user.

A file of its own, run by `python -I -S` with the standard library only, because what it does
(change the user, ask the kernel for a signal at the parent's death) must happen in the child, and
Python code between fork and exec is not safe once the parent has threads.

Arguments: PARENT SIGNAL UID GID REACH COMMAND... ; UID `-` keeps the user, REACH `1` keeps the
right to pass closed folders on the way to the data, which a service user otherwise lacks.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def _switch_user(uid: int, gid: int, *, reach: bool) -> None:
    linux = sys.platform == "linux"
    libc = ctypes.CDLL(None, use_errno=True)
    if linux and reach:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if linux and reach:
        # Search alone suffices; containers that do not grant it often grant the wider right.
        for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
            mask = 1 << capability
            sets = (_Sets * 2)(_Sets(mask, mask, mask), _Sets(0, 0, 0))
            header = _Header(CAPABILITY_VERSION_3, 0)
            if libc.capset(ctypes.byref(header), sets) == 0:
                libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)
                return


def main(arguments: list[str]) -> None:
    """Change the user if asked, bind to the parent's life, become the command."""
    parent, signal, uid, gid, reach, *command = arguments
    if uid != "-":
        _switch_user(int(uid), int(gid), reach=reach == "1")
    if sys.platform == "linux":
        # After the user changed: the kernel forgets this wish when credentials do.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal), 0, 0, 0)
        if os.getppid() != int(parent):
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - the point of this file; no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
