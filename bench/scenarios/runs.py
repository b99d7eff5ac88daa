"""The scenarios as functions. Import it after django.setup()."""

from collections.abc import Callable, Mapping

from bench.ours.shop import Shop
from bench.scenarios import SIZES, bulk, declined, drain, flash, large, light, past_of, slow, sse, storm

GROWTH = [name for name in SIZES if past_of(name)]
RUNS: Mapping[str, Callable[[Shop, int], dict[str, float]]] = {
    "storm": storm.run,
    "drain": drain.run,
    "light": light.run,
    "flash": flash.run,
    "large": large.run,
    "declined": declined.run,
    "slow": slow.run,
    "bulk": bulk.run,
    "sse": sse.run,
    **dict.fromkeys(GROWTH, storm.run),
}
"""Each places this many orders, waits until all are finished, and returns its figures."""
