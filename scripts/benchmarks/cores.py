"""Whose cores are whose. A hub is another machine; where this one has cores to spare, servers get
some of their own, so that they take nothing from the clients that are measured."""

from __future__ import annotations

import os

_servers: set[int] = set()


def divide(clients: int) -> None:
    """Leave this process, and what it starts, the first `clients` cores that it may use now, and
    servers the others. Raises `ValueError` if none would be left for these."""
    cores = sorted(os.sched_getaffinity(0))
    if not 0 < clients < len(cores):
        raise ValueError(f"of {len(cores)} cores clients can have 1 to {len(cores) - 1}")
    _servers.update(cores[clients:])
    os.sched_setaffinity(0, cores[:clients])


def of_servers() -> set[int]:
    """The cores that a server may run on."""
    return _servers or os.sched_getaffinity(0)
