"""Timing two things against each other: short alternating rounds, and the median of the pairs' ratios.

A machine's speed drifts within seconds (clock rates, neighbours). Two rounds that follow each other see nearly the same
machine, so their ratio is steady where their times are not.
"""

import gc
import statistics
from collections.abc import Callable
from time import perf_counter, thread_time

from benchmarks.harness.figures import Figure

WALL = perf_counter
"""The clock for what waits: for the network, the disk, other processes."""
CPU = thread_time
"""The clock for what only computes, in one thread: it does not count what the rest of the machine does meanwhile."""

Round = Callable[[int], int]
"""Does one round, given its number, and says how many operations that was."""


def compare(
    name: str,
    ours: Round,
    baseline_name: str,
    baseline: Round,
    *,
    target: float,
    rounds: int,
    clock: Callable[[], float] = WALL,
) -> Figure:
    """How many times faster than `baseline` we are, operation by operation; the first rounds are not counted."""
    pairs = []
    gc.collect()
    gc.freeze()
    for number in range(rounds + 1):
        first, second = (ours, baseline) if number % 2 else (baseline, ours)
        times = {each: _time(each, number, clock) for each in (first, second)}
        pairs.append((times[ours], times[baseline]))
    gc.unfreeze()
    ratios = [theirs / mine for mine, theirs in pairs[1:]]
    low, value, high = statistics.quantiles(ratios, n=4)
    mine, theirs = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
    detail = f"{_duration(mine)}, baseline {_duration(theirs)}"
    return Figure(name, baseline_name, value, target, low=low, high=high, detail=detail)


def _time(one_round: Round, number: int, clock: Callable[[], float]) -> float:
    started = clock()
    operations = one_round(number)
    return (clock() - started) / operations


def _duration(seconds: float) -> str:
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
