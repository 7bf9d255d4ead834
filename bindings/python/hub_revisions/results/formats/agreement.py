"""Whether a file of results is about the commit that it was asked for."""

from __future__ import annotations

import re

from ..._native import failure
from .form import About

# Where huggingface_hub keeps one commit of one model.
_CACHED = re.compile(r"models--(?P<model>[^/]+)/snapshots/(?P<commit>[0-9a-f]{40})/?$")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")


def check_agreement(about: About, name: str, *, commit: str, revision: str, repo_id: str) -> None:
    """Raise `HubRevisionError` if the file says that it is about something else.

    A commit in the file decides; without one, the revision does. A folder says neither, unless it
    is one of the Hub's cache.
    """
    cached = _CACHED.search(about.model)
    if cached:
        about = About(cached["model"].replace("--", "/", 1), "", about.commit or cached["commit"])
    elif _is_folder(about.model):
        about = About("", "", about.commit)
    if about.model and not _same_model(about.model, repo_id):
        raise failure(
            f"{name} is about the model '{about.model}', not {repo_id}; "
            "a folder must be given to the evaluator as an absolute path",
            "invalid_input",
        )
    wanted = f"{commit[:10]} ({revision})"
    if about.commit:
        if not _names_commit(about.commit, commit):
            raise failure(f"{name} is about commit {about.commit[:10]}, not {wanted}", "conflict")
    elif about.revision not in ("", revision) and not _names_commit(about.revision, commit):
        raise failure(f"{name} is about revision '{about.revision}', not {wanted}", "conflict")


def _is_folder(model: str) -> bool:
    return model.startswith(("/", ".", "~")) or model.count("/") > 1


def _same_model(told: str, repo_id: str) -> bool:
    told, repo_id = told.lower(), repo_id.lower()
    return told in (repo_id, repo_id.rpartition("/")[2]) or told.rpartition("/")[2] == repo_id


def _names_commit(told: str, commit: str) -> bool:
    return bool(_COMMIT.fullmatch(told.lower())) and commit.startswith(told.lower())
