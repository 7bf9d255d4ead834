"""Axes: where their ticks lie, and numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Larger numbers overflow when they are scaled; no metric is one.
DRAWABLE = 1e300


@dataclass(frozen=True)
class Axis:
    """One axis: the numbers at its ends, and its ticks with their labels."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def fraction(self, value: float) -> float:
        """Where `value` lies between the ends, from 0 to 1."""
        return (value - self.low) / (self.high - self.low)


def make_axis(values: Iterable[float], count: int, margin: float) -> Axis:
    """An axis for these numbers with about `count` ticks at round numbers.

    It goes beyond them by `margin` of their span on both sides.
    """
    drawable = [value for value in values if abs(value) <= DRAWABLE]
    low, high = (min(drawable), max(drawable)) if drawable else (0.0, 1.0)
    room = (high - low) * margin
    if room <= abs(high) * 1e-12:  # one value, up to rounding
        room = abs(high) * 0.1 or 1.0
    low, high = low - room, high + room
    ticks = nice_ticks(low, high, count)
    return Axis(low, high, tuple(zip(ticks, tick_labels(ticks), strict=True)))


def nice_ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` multiples of 1, 2 or 5 times a power of ten within `low` to `high`."""
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [multiple * step for multiple in range(first, last + 1)]


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Labels with the decimals that tell the ticks apart, and no more."""
    if not ticks:
        return []
    step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(ticks[0]) or 1.0
    largest = max(abs(tick) for tick in ticks)
    if largest >= 1e7 or step < 1e-5:
        digits = max(0, math.floor(math.log10(largest)) - math.floor(math.log10(step) + 1e-9))
        return [_short_exponent(f"{tick:.{digits}e}") for tick in ticks]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [f"{tick + 0.0:,.{decimals}f}" for tick in ticks]


def format_value(value: float | None, stderr: float | None = None) -> str:
    """'0.412 ± 0.013': as many decimals as give the standard error two digits; else four digits."""
    if value is None:
        return ""
    if not stderr or not 1e-6 <= stderr < 1e6:
        return _four_digits(value)
    decimals = max(0, 1 - math.floor(math.log10(stderr)))
    return f"{value:.{decimals}f} \N{PLUS-MINUS SIGN} {stderr:.{decimals}f}"


def _four_digits(value: float) -> str:
    size = abs(value)
    if size and not 1e-4 <= size < 1e9:
        return _short_exponent(f"{value:.3e}")
    return f"{value:,.0f}" if size >= 1000 else f"{value:#.4g}"


def _short_exponent(number: str) -> str:
    return number.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
