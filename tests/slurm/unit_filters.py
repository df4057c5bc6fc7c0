"""What a unit of systemd forbids by seccomp, put onto a command by the library that systemd uses: python unit_filters.py CALLS FAMILIES COMMAND...

CALLS are groups and names as SystemCallFilter=~ has them, each answered with EPERM; FAMILIES are those that RestrictAddressFamilies leaves.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
import sys

ALLOW, REFUSE = 0x7FFF0000, 0x00050000
EQUAL, LAST_FAMILY = 4, 45


class Argument(ctypes.Structure):
    _fields_ = (
        ("number", ctypes.c_uint),
        ("compare", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("mask", ctypes.c_uint64),
    )


def names_of(words: list[str]) -> set[str]:
    found = {word for word in words if not word.startswith("@")}
    for group in (word for word in words if word.startswith("@")):
        told = subprocess.run(
            ["systemd-analyze", "syscall-filter", "--no-pager", group], capture_output=True, text=True, check=True
        )
        inside = [line.strip() for line in told.stdout.splitlines()[1:]]
        found |= names_of([word for word in inside if word and not word.startswith("#")])
    return found


def main(calls: str, families: str, *command: str) -> None:
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    add = library.seccomp_rule_add_array
    add.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Argument))
    context = library.seccomp_init(ALLOW)
    for name in names_of(calls.removeprefix("~").split()):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # others are of another architecture
            assert add(context, REFUSE | errno.EPERM, number, 0, None) == 0, name
    left = {getattr(socket, family).value for family in families.split()}
    number = library.seccomp_syscall_resolve_name(b"socket")
    for family in set(range(LAST_FAMILY + 1)) - left:
        first = Argument(0, EQUAL, family, 0)
        assert add(context, REFUSE | errno.EAFNOSUPPORT, number, 1, ctypes.byref(first)) == 0, family
    assert library.seccomp_load(ctypes.c_void_p(context)) == 0
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
