"""The Hub's rules for pushed content (hub protocol 2.3), for the pre-receive hook and the commit
API alike.

Every commit that is new to the repository is looked at, not only the tip: a large file that a
later commit removes again would still be stored forever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .card import check_card
from .expansion import MAX_PATHS, is_too_large
from .git import ZERO_ID, Git
from .objects import LfsObjects
from .pointer import MAX_POINTER_BYTES, parse_pointer
from .settings import MIB

MAX_BLOB_BYTES = 10 * MIB
MAX_DIRECTORY_ENTRIES = 10_000
_MIN_TREE_ENTRY_BYTES = 28  # "40000 a", a NUL and twenty bytes of id
_RULER = "-" * 73


@dataclass(frozen=True)
class RefUpdate:
    """One line of a pre-receive hook's input."""

    old: str
    new: str
    ref: str

    @property
    def is_delete(self) -> bool:
        return self.new == ZERO_ID


@dataclass
class _Offenders:
    """Paths that break a rule, each as `path (ref: refs/heads/x)`, in the order found."""

    large: dict[str, None] = field(default_factory=dict)
    binary: dict[str, None] = field(default_factory=dict)
    dangling: dict[str, None] = field(default_factory=dict)
    crowded: dict[str, None] = field(default_factory=dict)
    card_errors: dict[str, None] = field(default_factory=dict)


def refusal(git: Git, objects: LfsObjects, updates: Iterable[RefUpdate]) -> str | None:
    """The text with which these updates are refused, or None when they keep to the rules."""
    found = _Offenders()
    for update in updates:
        if update.is_delete:
            if update.ref == "refs/heads/main":
                return "Cannot delete refs/heads/main"
            continue
        if git.commit_id(update.new) is None:
            return f"{update.ref} must point to a commit"
        commits = git.run("rev-list", f"{update.new}^{{commit}}", "--not", "--all")
        trees = _root_trees(git, commits)
        if is_too_large(git, trees):
            return f"Your push was rejected because it contains more than {MAX_PATHS} files."
        changes = list(_changes(git, commits, trees))
        _check_blobs(git, objects, update.ref, [c for c in changes if c.kind == "blob"], found)
        _check_trees(git, update.ref, [c for c in changes if c.kind == "tree"], found)
    return "\n".join(_texts(found)) or None


@dataclass(frozen=True)
class _Change:
    kind: str
    id: str
    path: str


def _root_trees(git: Git, commits: bytes) -> list[str]:
    """The tree of each commit; `commits` are ids, one on each line."""
    if not commits:
        return []
    output = git.run("log", "--no-walk", "--format=%T", "--stdin", stdin=commits)
    return output.decode().split()


def _changes(git: Git, commits: bytes, trees: list[str]) -> Iterator[_Change]:
    """Blobs and trees, with their paths, that these new commits add or change."""
    if not commits:
        return
    for tree in trees:
        yield _Change("tree", tree, "")
    fields = git.run("diff-tree", "--stdin", "--root", "-m", "-r", "-t", "-z", "--no-renames",
                     "--diff-filter=d", "--no-commit-id", stdin=commits).split(b"\0")  # fmt: skip
    for header, path in zip(fields[0::2], fields[1::2], strict=False):
        _, mode, _, new_id, _ = header.decode().split(" ")
        if mode != "160000":  # a submodule: its commit lives elsewhere
            kind = "tree" if mode == "040000" else "blob"
            yield _Change(kind, new_id, path.decode("utf-8", "replace"))


def _check_blobs(
    git: Git, objects: LfsObjects, ref: str, changes: list[_Change], found: _Offenders
) -> None:
    sizes = {info.id: info.size for info in git.infos({change.id for change in changes})}
    paths: dict[str, list[str]] = {}
    for change in changes:
        paths.setdefault(change.id, []).append(change.path)
    for id in [id for id in paths if sizes[id] > MAX_BLOB_BYTES]:
        found.large.update((f"{path} (ref: {ref})", None) for path in paths.pop(id))
    for id, content in git.contents(paths):
        pointer = parse_pointer(content) if len(content) < MAX_POINTER_BYTES else None
        if pointer is not None and objects.size(pointer.oid) != pointer.size:
            found.dangling.update((f"{path} (ref: {ref})", None) for path in paths[id])
        if is_binary(content):
            found.binary.update((f"{path} (ref: {ref})", None) for path in paths[id])
        elif "README.md" in paths[id]:
            found.card_errors.update((text, None) for text in check_card(content.decode()).errors)


def _check_trees(git: Git, ref: str, changes: list[_Change], found: _Offenders) -> None:
    """Only trees that are big enough to hold that many entries are read."""
    paths = {change.id: change.path for change in changes}
    infos = git.infos(paths)
    big = [i.id for i in infos if i.size > MAX_DIRECTORY_ENTRIES * _MIN_TREE_ENTRY_BYTES]
    for id in big:
        entries = git.run("ls-tree", "-z", "--name-only", id).count(b"\0")
        if entries > MAX_DIRECTORY_ENTRIES:
            found.crowded[f"/{paths[id]} (ref: {ref})"] = None


def is_binary(content: bytes) -> bool:
    """Whether the Hub would want this content in LFS: not clearly text.

    The Hub's own test is not published. This one is strict on purpose, so that what passes here
    passes there: a NUL byte, or bytes that are not UTF-8.
    """
    if b"\0" in content:
        return True
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _texts(found: _Offenders) -> Iterator[str]:
    if found.large:
        yield _listing(
            "Your push was rejected because it contains files larger than 10 MiB.\n"
            "Please use https://git-lfs.github.com/ to store large files.\n"
            "See also: https://hf.co/docs/hub/repositories-getting-started#terminal",
            "Offending files:",
            found.large,
        )
    if found.binary:
        yield _listing(
            "Your push was rejected because it contains binary files.\n"
            "Please use https://huggingface.co/docs/hub/xet to store binary files.\n"
            "See also: https://huggingface.co/docs/hub/xet/using-xet-storage#git",
            "Offending files:",
            found.binary,
        )
    if found.dangling:
        yield _listing(
            "Your push was rejected because an LFS pointer pointed to a file that does not exist.\n"
            "For instance, this can happen if you used git push --no-verify to push your changes.",
            "Offending files:",
            found.dangling,
        )
    if found.crowded:
        yield _listing(
            "Your push was rejected because it contains too many files per directory.\n"
            "Each directory in your git repo can only contain up to "
            f"{MAX_DIRECTORY_ENTRIES} files.",
            "Offending directories:",
            found.crowded,
        )
    if found.card_errors:
        errors = "\n".join(f"- Error: {text}" for text in found.card_errors)
        yield (
            f"{_RULER}\nSorry, your push was rejected during YAML metadata verification:\n"
            f"{errors}\n{_RULER}\nPlease find the documentation at:\n"
            f"https://huggingface.co/docs/hub/model-cards#model-card-metadata\n{_RULER}"
        )


def _listing(reason: str, title: str, offenders: Iterable[str]) -> str:
    lines = "\n".join(f"  - {offender}" for offender in offenders)
    return f"{_RULER}\n{reason}\n\n{title}\n{lines}\n{_RULER}"
