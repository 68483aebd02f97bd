"""How old the process is; its machine is lent for a time."""

import time

BEGUN = time.monotonic()


def age() -> float:
    """Seconds since the process began."""
    return time.monotonic() - BEGUN
