"""A model repository on a server: read it, add to it, promote what is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import _core
from ._native import (
    Contents,
    Promotion,
    config_error,
    decode_contents,
    decode_promotion,
    decode_promotions,
)
from .address import page_url, repository_url
from .credentials import Token, find_token
from .settings import Config, Effective, resolve

RECORDS_BRANCH = "evaluations"  # as the worker names it

Files = Mapping[str, str | None]  # text by path; None removes the file


def check_model_branch(*branches: str) -> None:
    """Raise `ConfigError` if one of them is the branch of records: a model would replace them."""
    if RECORDS_BRANCH in branches:
        raise config_error(
            f"'{RECORDS_BRANCH}' is the branch of results and decisions, and of no model; "
            "name another one"
        )


class Repository:
    """One repository, by settings and a token as for `RevisionPusher`.

    Everything is asked of the server when it is called for, by git, and without weights; nothing is
    kept in between. Any thread may call any method. They raise `HubRevisionError`: of kind
    "not_found" without the repository, "conflict" if somebody else was faster.
    """

    def __init__(
        self, repo_id: str, config: Config = None, *, token: str | None = None, **settings: Any
    ) -> None:
        self.settings: Effective = resolve({**settings, "repo_id": repo_id}, config)
        self.token: Token = find_token(token)

    @classmethod
    def of(cls, settings: Effective, token: Token) -> Repository:
        """The repository that these settings name."""
        repository = cls.__new__(cls)
        repository.settings = settings
        repository.token = token
        return repository

    @property
    def repo_id(self) -> str:
        """Its name, as the settings have it."""
        return str(self.settings["repo_id"])

    @property
    def url(self) -> str:
        """Its address."""
        return repository_url(self.settings["endpoint"], self.repo_id)

    def file_url(self, branch: str, path: str) -> str:
        """A file's page, where the server has such pages."""
        return page_url(self.settings["endpoint"], self.repo_id, f"blob/{branch}/{path}")

    def read(self) -> Contents:
        """All branches and tags, and the records of evaluations."""
        return decode_contents(_core.read_repository(*self._access))

    def read_files(self, revision: str, paths: Sequence[str]) -> dict[str, str]:
        """Text files of a branch, or of a commit that a branch has; missing ones are left out."""
        files = _core.read_files(*self._access, revision, list(paths))
        return {path: content.decode("utf-8", "replace") for path, content in files.items()}

    def commit_files(self, branch: str, files: Files, message: str) -> None:
        """Change files in one commit on top of `branch`, which is made if it is not there.

        What others push to it meanwhile is kept. Nothing is pushed if nothing would change.
        """
        _core.commit_files(*self._access, branch, files, message)

    def promote(
        self,
        revision: str,
        branch: str = "main",
        *,
        commit: str = "",
        files: Files | None = None,
    ) -> Promotion:
        """Give `branch` the revision's files, changed by `files`, in one commit on top of it.

        With `commit`, only if the revision still has it.
        """
        check_model_branch(revision, branch)
        return decode_promotion(_core.promote(*self._access, revision, branch, commit, files or {}))

    def tag(self, revision: str, tag: str, *, commit: str = "") -> Promotion:
        """Give the tag the revision's commit, wherever it was before."""
        return decode_promotion(_core.tag_revision(*self._access, revision, tag, commit))

    def move_pointers(self, pointers: Mapping[str, str]) -> list[Promotion]:
        """Move branches that only point to revisions; the wanted commit by the branch's name."""
        return decode_promotions(_core.move_pointers(*self._access, pointers))

    @property
    def _access(self) -> tuple[str, str]:
        return self.settings.to_json(), self.token.value
