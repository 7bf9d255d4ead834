"""Which revisions stay: pure rules over what the repository holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ._native import Contents, Revision, config_error


@dataclass(frozen=True)
class Fate:
    """What the rules want of one revision. `reason` says why it stays, or why it goes."""

    revision: str
    commit: str
    step: int | None
    goes: bool
    reason: str


@dataclass(frozen=True)
class Retention:
    """How many revisions stay. One stays if any of the limits keeps it; without limits all stay.

    `keep_best`: so many, from the top of a ranking. `keep_last`: so many of the newest, by when
    they were saved. `keep_every`: those whose step is a multiple of it. Raises `ConfigError` unless
    each is None or at least 1.
    """

    keep_best: int | None = None
    keep_last: int | None = None
    keep_every: int | None = None

    def __post_init__(self) -> None:
        for name in ("keep_best", "keep_last", "keep_every"):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if value is not None and not (whole and value >= 1):
                raise config_error(f"{name} must be a whole number from 1 on, not {value!r}")

    def __str__(self) -> str:
        parts = []
        if self.keep_best is not None:
            parts.append(f"the best {self.keep_best}")
        if self.keep_last is not None:
            parts.append(f"the last {self.keep_last}")
        if self.keep_every is not None:
            parts.append(f"every {self.keep_every} steps")
        return ", ".join(parts)

    def fates(
        self, revisions: Sequence[Revision], ranking: Sequence[str], held: Mapping[str, str]
    ) -> list[Fate]:
        """The fate of each revision, in order.

        `revisions` are managed ones. `ranking` names those that have a score, best first. `held`
        are those that must stay in any case, with the reason (see `holds`).

        A revision without a step stays, since it was published by hand. So does one without a score
        as long as fewer than `keep_best` have one: it may be among the best.
        """
        names = {revision.revision for revision in revisions}
        ranked = [name for name in ranking if name in names]
        newest = sorted(revisions, key=_age, reverse=True)
        last = {revision.revision for revision in newest[: self.keep_last or 0]}
        fates = []
        for revision in revisions:
            name = revision.revision
            why = [held[name]] if name in held else []
            why += self._kept_as_best(name, ranked)
            if name in last:
                why.append(f"one of the last {self.keep_last}")
            if revision.step is None:
                why.append("it has no step")
            elif self.keep_every is not None and revision.step % self.keep_every == 0:
                why.append(f"its step is a multiple of {self.keep_every}")
            if not str(self):
                why.append("there is no limit")
            reason = "; ".join(why) or f"not among {self}"
            fates.append(Fate(name, revision.commit, revision.step, not why, reason))
        return fates

    def _kept_as_best(self, name: str, ranked: Sequence[str]) -> list[str]:
        if self.keep_best is None:
            return []
        if name in ranked[: self.keep_best]:
            return [f"best {ranked.index(name) + 1} of {len(ranked)}"]
        if name not in ranked and len(ranked) < self.keep_best:
            return [f"it has no score, and only {len(ranked)} of the best {self.keep_best} have"]
        return []


def holds(contents: Contents) -> dict[str, str]:
    """The revisions that the repository itself needs, with the reason.

    Pointed to by another branch or a tag, or what a branch was made from last. What was promoted
    longer ago stands in a branch's history: the worker looks there before it deletes.
    """
    owners: dict[str, str] = {}
    for tag, commit in contents.tags.items():
        owners.setdefault(commit, f"tag '{tag}' points to it")
    for branch in contents.revisions:
        if not branch.managed:
            owners.setdefault(branch.commit, f"branch '{branch.revision}' points to it")
        for parent in branch.parents:
            owners.setdefault(parent, f"it was promoted into branch '{branch.revision}'")
    return {
        revision.revision: owners[revision.commit]
        for revision in contents.revisions
        if revision.managed and revision.commit in owners
    }


def _age(revision: Revision) -> tuple[int, int, str]:
    return revision.time, -1 if revision.step is None else revision.step, revision.revision
