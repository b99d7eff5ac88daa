"""Computes the figures of a sample from a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.ours.shop import Run
from bench.scenarios.percentiles import percentile


def of_run(run: Run) -> dict[str, float]:
    """Throughput, times from placed to confirmed, and CPU by process."""
    orders = run.load.orders
    result = run.result
    return {
        "per_second": run.per_second,
        "accepted_per_second": orders / (result.ended - result.began),
        **times(run.times_ms),
        "accept_p50_ms": percentile(result.taken_ms, 0.50),
        "accept_p99_ms": percentile(result.taken_ms, 0.99),
        **cpu_figures(run.cpu, orders),
        "cpu_ms_per_order_client": result.cpu_seconds * 1000 / orders,
    }


def cpu_figures(seconds: Mapping[str, float], orders: int) -> dict[str, float]:
    """CPU milliseconds per order: in total, including servers and excluding clients, and per process with children."""
    each = {f"cpu_ms_per_order_{name.replace('-', '_')}": used * 1000 / orders for name, used in seconds.items()}
    return {"cpu_ms_per_order": sum(each.values()), **each}


def times(milliseconds: Sequence[float]) -> dict[str, float]:
    """Percentiles of the time from placed to confirmed, from the rows."""
    return {"p50_ms": percentile(milliseconds, 0.50), "p99_ms": percentile(milliseconds, 0.99)}


def beside(figure: float, other: float) -> dict[str, float]:
    """The ratio of a figure to that of the same stack under the usual load immediately before."""
    return {"beside_per_second": other, "ratio": figure / other}
