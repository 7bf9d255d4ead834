"""The numbers of a storm, for programs and for people."""

from __future__ import annotations

from typing import Any

from .storm import Storm

# A stage that luck alone would have missed proves nothing; this many kills reach each of them.
KILLS_TO_REACH_ALL = 50


def numbers_of(storm: Storm, seed: int, seconds: float) -> dict[str, Any]:
    """What goes into the JSON file."""
    numbers = dict(vars(storm.findings))
    problems = numbers.pop("problems")
    kills = storm.kills.total()
    missed = [
        stage for stage, count in storm.stages().items() if count == 0 and stage != "elsewhere"
    ]
    if kills >= KILLS_TO_REACH_ALL and missed:
        problems = [*problems, f"no kill in: {', '.join(missed)}"]
    return {
        "holds": not problems,
        "seed": seed,
        "seconds": round(seconds, 1),
        "runs": storm.runs,
        "kills": kills,
        "kills_per_stage": storm.stages(),
        **numbers,
        "problems": problems,
    }


def table_of(numbers: dict[str, Any]) -> str:
    """The same in lines."""
    lines = [f"{'kills':28}{numbers['kills']:>10}"]
    lines += [f"  {name:26}{count:>10}" for name, count in numbers["kills_per_stage"].items()]
    for name, value in numbers.items():
        if isinstance(value, int) and name not in ("holds", "seed", "kills"):
            lines.append(f"{name.replace('_', ' '):28}{value:>10}")
    lines.append(f"{'seconds':28}{numbers['seconds']:>10}")
    lines += [f"WRONG: {problem}" for problem in numbers["problems"]]
    return "\n".join(lines)
