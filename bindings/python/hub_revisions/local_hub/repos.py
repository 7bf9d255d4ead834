"""The repositories under the hub's root: `ROOT/<namespace>/<name>.git`, each a real bare one."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import threading
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from .defaults import DEFAULT_GITATTRIBUTES
from .errors import HubError, repo_not_found, revision_not_found
from .git import ZERO_ID, Git, GitError
from .names import RepoId, is_valid_name
from .objects import LfsObjects
from .pre_receive import HOOK_SCRIPT

MAIN = "main"
_METADATA = "hub.json"
_MOVED = ".moved"  # no namespace begins with a full stop
_ABBREVIATED_ID = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True)
class Ref:
    """A branch or tag: its short name, its full name and the commit it points to."""

    name: str
    ref: str
    commit: str


class Repository:
    """One bare repository with its LFS objects. Stateless, so safe from any thread."""

    def __init__(self, id: RepoId, path: Path) -> None:
        self.id = id
        self.path = path
        self.git = Git(path)
        self.objects = LfsObjects(path)

    @property
    def metadata(self) -> dict[str, object]:
        """What stands beside git: `private`, `createdAt` and an `id` that no other one ever has."""
        stored: dict[str, object] = json.loads((self.path / _METADATA).read_text())
        return stored

    def commit_of(self, revision: str) -> str:
        """The commit that a branch, tag, SHA (7 characters or more) or full ref names.

        A branch wins over a tag of the same name. Raises `HubError` 404 RevisionNotFound.
        """
        candidates = [f"refs/heads/{revision}", f"refs/tags/{revision}"]
        if revision.startswith("refs/") or _ABBREVIATED_ID.fullmatch(revision):
            candidates.append(revision)
        for candidate in candidates:
            commit = self.git.commit_id(candidate)
            if commit is not None:
                return commit
        raise revision_not_found(revision)

    def refs(self, prefix: str) -> list[Ref]:
        """All refs under `prefix` (`refs/heads/`, `refs/tags/`), tags peeled to their commit."""
        lines = self.git.run(
            "for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", prefix
        )
        found = []
        for line in lines.decode().splitlines():
            ref, direct, peeled = line.split(" ")
            found.append(Ref(ref.removeprefix(prefix), ref, peeled or direct))
        return found

    def update_ref(self, ref: str, new: str, old: str) -> bool:
        """Move `ref` from `old` to `new` at once; False when it is no longer at `old`.

        `ZERO_ID` as `old` means that the ref does not exist yet.
        """
        try:
            self.git.run("update-ref", ref, new, old)
        except GitError:
            return False
        return True

    def commit_tree(self, tree: str, parents: list[str], message: str, user: str) -> str:
        """Write a commit object by `user`, dated now, and return its id."""
        author = {
            "GIT_AUTHOR_NAME": user,
            "GIT_AUTHOR_EMAIL": f"{user}@users.noreply.localhost",
            "GIT_COMMITTER_NAME": user,
            "GIT_COMMITTER_EMAIL": f"{user}@users.noreply.localhost",
        }
        arguments = [argument for parent in parents for argument in ("-p", parent)]
        return self.git.with_environment(author).line(
            "commit-tree", tree, *arguments, stdin=message.encode()
        )


class Repositories:
    """Finds, creates and deletes repositories. Safe from any thread."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._moving = threading.Lock()

    def get(self, namespace: str, name: str) -> Repository:
        """The repository, whatever the case of the letters. Raises `HubError` 404."""
        found = self.find(namespace, name)
        if found is None:
            raise repo_not_found()
        return found

    def moved_to(self, namespace: str, name: str) -> Repository | None:
        """Where the repository is that had this name before it was moved, if it still is."""
        record = self._moved(namespace, name)
        if record is None or not record.exists():
            return None
        now_namespace, _, now_name = record.read_text().partition("/")
        return self.find(now_namespace, now_name) or self.moved_to(now_namespace, now_name)

    def create(self, id: RepoId, private: bool, user: str) -> Repository:
        """Create a repository with its initial commit on main.

        It is built aside and renamed into place, so nobody sees half of one. Raises `HubError`
        400 for a name that breaks the rules and 409 when it exists.
        """
        if not is_valid_name(id.namespace) or not is_valid_name(id.name):
            raise HubError(400, f"Invalid repository name: {id}")
        if self.find(id.namespace, id.name) is not None:
            raise _exists()
        namespace = self._root / id.namespace
        namespace.mkdir(exist_ok=True)
        building = namespace / f".creating-{secrets.token_hex(8)}"
        try:
            _build(Repository(id, building), private, user)
            try:
                building.rename(namespace / f"{id.name}.git")
            except OSError as error:  # another request was faster
                raise _exists() from error
        finally:
            shutil.rmtree(building, ignore_errors=True)
        self._forget_move(id)
        return self.get(id.namespace, id.name)

    def move(self, old: RepoId, new: RepoId) -> None:
        """Rename a repository; its old name leads to it until another one takes that name.

        Raises `HubError` 400 for a name that breaks the rules, 404 and 409.
        """
        if not is_valid_name(new.namespace) or not is_valid_name(new.name):
            raise HubError(400, f"Invalid repository name: {new}")
        with self._moving:
            repository = self.get(old.namespace, old.name)
            if self.find(new.namespace, new.name) is not None:
                raise _exists()
            (self._root / new.namespace).mkdir(exist_ok=True)
            # First, so that no request finds it neither here nor there: until it is gone from here
            # nobody reads this.
            record = self._moved(repository.id.namespace, repository.id.name)
            assert record is not None
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(str(new))
            try:
                repository.path.rename(self._root / new.namespace / f"{new.name}.git")
            except OSError as error:  # one was created there meanwhile
                self._forget_move(repository.id)
                raise _exists() from error
            self._forget_move(new)

    def delete(self, namespace: str, name: str) -> None:
        """Delete a repository and its objects. Raises `HubError` 404."""
        repository = self.get(namespace, name)
        # Renamed first: a request that comes in meanwhile sees no repository rather than half.
        doomed = repository.path.with_name(f".deleting-{secrets.token_hex(8)}")
        repository.path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)

    def take_over(self) -> None:
        """Remove what a killed server left half done, and make what an older one made as this one
        makes it; only for when no server runs on this root."""
        for pattern in ("*/.creating-*", "*/.deleting-*"):
            for folder in self._root.glob(pattern):
                shutil.rmtree(folder, ignore_errors=True)
        for repository in self.all():
            repository.objects.drop_incomplete()
            self._forget_move(repository.id)
            _write_hook(repository)

    def all(self) -> list[Repository]:
        """Every repository, in no particular order."""
        return [
            Repository(RepoId(path.parent.name, path.stem), path)
            for path in self._root.glob("*/*.git")
        ]

    def find(self, namespace: str, name: str) -> Repository | None:
        """The repository, whatever the case of the letters, if there is one."""
        if not is_valid_name(namespace) or not is_valid_name(name):
            return None
        exact = self._root / namespace / f"{name}.git"
        if exact.is_dir():
            return Repository(RepoId(namespace, name), exact)
        wanted = f"{namespace}/{name}".lower()
        for repository in self.all():
            if str(repository.id).lower() == wanted:
                return repository
        return None

    def _moved(self, namespace: str, name: str) -> Path | None:
        """Where it is kept what a repository of this name is called now. None: an invalid name."""
        if not is_valid_name(namespace) or not is_valid_name(name):
            return None
        return self._root / _MOVED / namespace.lower() / name.lower()

    def _forget_move(self, id: RepoId) -> None:
        record = self._moved(id.namespace, id.name)
        if record is not None:
            record.unlink(missing_ok=True)


def _build(repository: Repository, private: bool, user: str) -> None:
    git = repository.git
    git.run("init", "--quiet", "--bare", "--template=", f"--initial-branch={MAIN}")
    # Objects are checked as they arrive: no tree with `..` or `.git` in it is ever stored.
    git.run("config", "receive.fsckObjects", "true")
    _write_hook(repository)
    created = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    metadata = {"id": secrets.token_hex(12), "private": private, "createdAt": created}
    (repository.path / _METADATA).write_text(json.dumps(metadata))
    blob = git.line("hash-object", "-w", "--stdin", stdin=DEFAULT_GITATTRIBUTES.encode())
    tree = git.line("mktree", stdin=f"100644 blob {blob}\t.gitattributes\n".encode())
    commit = repository.commit_tree(tree, [], "initial commit", user)
    repository.update_ref(f"refs/heads/{MAIN}", commit, ZERO_ID)


def _write_hook(repository: Repository) -> None:
    hook = repository.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK_SCRIPT)
    hook.chmod(0o755)


def _exists() -> HubError:
    return HubError(409, "You already created this model repo")
