"""How often a server's process looks for cyclic garbage."""

import gc
from typing import Final

# New objects before a look at the youngest; such looks before one at the middle generation; those before one at all.
# By default a look comes after 700 objects, and with 10,000 open streams it made half of what a line cost: everything
# that the waiting clients hold was walked through again and again (docs/benchmarks.md). The garbage that gathers
# meanwhile is 20,000 objects, some MB.
_THRESHOLDS: Final = (20_000, 20, 100)


def collect_seldom() -> None:
    """Set the collector for a long life; call it once, when everything is imported, which is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
