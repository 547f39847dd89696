"""How often Python looks for reference cycles while a stage runs.

A batch keeps many thousands of small objects alive for a moment, so the default looks all the time
and finds nothing: a tenth of the processor time of a stage. What is freed by counting references,
which is nearly everything, is not concerned.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_THRESHOLDS: Final = (50_000, 20, 100)


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Makes collections rare inside the block; what exists before it is left out of them."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
