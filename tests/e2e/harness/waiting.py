"""Waiting for conditions, never for time."""

import time

# Far beyond what any condition takes on a busy two-core machine.
PATIENCE = 15.0
POLL = 0.01


def wait_until(condition, what, patience=PATIENCE):
    """The first true value that `condition()` returns; an AssertionError naming `what` at the deadline."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {patience:g} s in vain for {what}"
        time.sleep(POLL)


def settled(measure, quiet=0.5, patience=PATIENCE):
    """The value of `measure()` once it has not changed for `quiet` seconds."""
    deadline = time.monotonic() + patience
    value, since = measure(), time.monotonic()
    while time.monotonic() - since < quiet:
        assert time.monotonic() < deadline, f"still changing after {patience:g} s: {value}"
        time.sleep(POLL)
        now = measure()
        if now != value:
            value, since = now, time.monotonic()
    return value
