"""Axes and numbers."""

from __future__ import annotations

import math
import random

import pytest
from hub_revisions.report.scale import format_value, make_axis, nice_ticks, tick_labels


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.41, 0.62, ["0.45", "0.50", "0.55", "0.60"]),
        (-3, 3, ["-2", "0", "2"]),
        (0, 12_000, ["0", "5,000", "10,000"]),
        (1e-5, 5e-5, ["1e-5", "2e-5", "3e-5", "4e-5", "5e-5"]),
        (2e9, 3e9, ["2.0e9", "2.2e9", "2.4e9", "2.6e9", "2.8e9", "3.0e9"]),
    ],
)
def test_ticks_are_round_numbers_that_differ(low: float, high: float, labels: list[str]) -> None:
    assert tick_labels(nice_ticks(low, high, 5)) == labels


def test_axes_hold_their_numbers_whatever_they_are() -> None:
    random.seed(7)
    for _ in range(2000):
        scale = 10 ** random.uniform(-300, 299)
        values = [random.uniform(-1, 1) * scale + random.choice([0, scale * 1e6]) for _ in range(3)]
        axis = make_axis(values, 5, 0.1)
        drawable = [value for value in values if abs(value) <= 1e300]
        assert all(0 <= axis.fraction(value) <= 1 for value in drawable), values
        labels = [label for _, label in axis.ticks]
        assert 1 <= len(labels) <= 12 and len(set(labels)) == len(labels), (values, labels)


@pytest.mark.parametrize(
    "values", [[], [0.0], [5.0], [-5.0, -5.0], [1e15, 1e15 + 0.5], [1e308], [5e-324], [0.0, 5e-324]]
)
def test_axes_need_no_span(values: list[float]) -> None:
    axis = make_axis(values, 5, 0.1)
    assert math.isfinite(axis.low) and axis.low < axis.high and axis.ticks


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [
        (0.41234, 0.01349, "0.412 \N{PLUS-MINUS SIGN} 0.013"),
        (12.3456, 1.26, "12.3 \N{PLUS-MINUS SIGN} 1.3"),
        (1234.5, 25.0, "1234 \N{PLUS-MINUS SIGN} 25"),
        (0.5, 0.0, "0.5000"),
        (0.123456, None, "0.1235"),
        (-4, None, "-4.000"),
        (0.0, None, "0.000"),
        (123.456, None, "123.5"),
        (12345.6, None, "12,346"),
        (3e-5, None, "3.000e-5"),
        (2.5e12, None, "2.500e12"),
        (1.0, math.inf, "1.000"),
        (None, None, ""),
    ],
)
def test_values_have_the_digits_that_their_error_has(
    value: float | None, stderr: float | None, text: str
) -> None:
    assert format_value(value, stderr) == text
