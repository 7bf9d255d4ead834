"""REST routes for branches, tags and history (hub protocol 1.3, 1.4)."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from .auth import require_write
from .errors import HubError, revision_not_found
from .git import API_DATE, ZERO_ID
from .hub import Hub, identity, parameter, read_json
from .names import is_valid_ref_name
from .paging import next_link, number
from .repos import MAIN, Ref, Repository

_MODEL = "/api/models/{namespace}/{name}"
MAX_COMMITS = 1000
_COMMIT_FORMAT = "%H%x00%an%x00%ad%x00%s%x00%b%x1e"


class RefApi:
    """Endpoints that list, create and delete refs, list commits and squash a branch."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> list[Route]:
        return [
            Route(f"{_MODEL}/refs", self.refs),
            Route(f"{_MODEL}/commits/{{rev}}", self.commits),
            Route(f"{_MODEL}/branch/{{branch}}", self.create_branch, methods=["POST"]),
            Route(f"{_MODEL}/branch/{{branch}}", self.delete_branch, methods=["DELETE"]),
            Route(f"{_MODEL}/tag/{{rev}}", self.create_tag, methods=["POST"]),
            Route(f"{_MODEL}/tag/{{rev}}", self.delete_tag, methods=["DELETE"]),
            Route(f"{_MODEL}/super-squash/{{branch}}", self.super_squash, methods=["POST"]),
        ]

    def refs(self, request: Request) -> Response:
        """All branches and tags in one answer."""
        repository = self._hub.repository(request)
        answer = {
            "branches": _refs_json(repository.refs("refs/heads/")),
            "converts": [],
            "tags": _refs_json(repository.refs("refs/tags/")),
        }
        if request.query_params.get("include_prs"):
            answer["pullRequests"] = _refs_json(repository.refs("refs/pr/"))
        return JSONResponse(answer)

    def commits(self, request: Request) -> Response:
        """The history of a revision, newest first, in pages."""
        repository = self._hub.repository(request)
        commit = repository.commit_of(parameter(request, "rev"))
        size = min(number(request, "limit", 50), MAX_COMMITS)
        skip = number(request, "skip", 0)
        output = repository.git.run(
            "log", API_DATE, f"--skip={skip}", f"--max-count={size + 1}",
            f"--format=tformat:{_COMMIT_FORMAT}", commit,
        )  # fmt: skip
        records = output.decode("utf-8", "replace").split("\x1e\n")[:-1]
        headers = {}
        if len(records) > size:
            path = f"/api/models/{repository.id}/commits/{commit}"
            headers = next_link(request, self._hub, path, {"skip": skip + size})
        formatted = "formatted" in request.query_params.getlist("expand[]")
        return JSONResponse([_commit_json(r, formatted) for r in records[:size]], headers=headers)

    async def create_branch(self, request: Request) -> Response:
        """Create a branch at `startingPoint` (default main), or an empty one: `emptyBranch`."""
        require_write(identity(request))
        body = await read_json(request)
        return await run_in_threadpool(self._create_branch, request, body)

    def _create_branch(self, request: Request, body: dict[str, Any]) -> Response:
        repository = self._hub.repository(request)
        ref = _new_ref("refs/heads/", parameter(request, "branch"), "branch")
        if body.get("emptyBranch"):
            tree = repository.git.line("mktree")
            user = identity(request).user
            commit = repository.commit_tree(tree, [], "initial commit", user)
        else:
            commit = repository.commit_of(str(body.get("startingPoint") or MAIN))
        if not repository.update_ref(ref, commit, ZERO_ID):
            if repository.git.commit_id(ref) is None:
                raise HubError(400, f"Invalid reference for a branch: {ref}")
            if not body.get("overwrite"):
                raise HubError(409, f"Reference {ref} already exists")
        return PlainTextResponse("OK")

    def delete_branch(self, request: Request) -> Response:
        """Delete a branch; main cannot be deleted."""
        require_write(identity(request))
        repository = self._hub.repository(request)
        branch = parameter(request, "branch")
        if branch == MAIN:
            raise HubError(403, f"Cannot delete refs/heads/{MAIN}")
        _delete_ref(repository, f"refs/heads/{branch}", branch)
        return PlainTextResponse("OK")

    async def create_tag(self, request: Request) -> Response:
        """Tag a revision, with an annotated tag when there is a message."""
        require_write(identity(request))
        body = await read_json(request)
        return await run_in_threadpool(self._create_tag, request, body)

    def _create_tag(self, request: Request, body: dict[str, Any]) -> Response:
        repository = self._hub.repository(request)
        name = str(body.get("tag", ""))
        ref = _new_ref("refs/tags/", name, "tag")
        target = repository.commit_of(parameter(request, "rev"))
        if body.get("message"):
            user = identity(request).user
            target = _annotated_tag(repository, name, target, str(body["message"]), user)
        if not repository.update_ref(ref, target, ZERO_ID):
            raise HubError(409, f"Tag reference {ref} already exists")
        return PlainTextResponse("OK")

    def delete_tag(self, request: Request) -> Response:
        """Delete a tag; the commit stays."""
        require_write(identity(request))
        tag = parameter(request, "rev")
        _delete_ref(self._hub.repository(request), f"refs/tags/{tag}", tag)
        return PlainTextResponse("OK")

    async def super_squash(self, request: Request) -> Response:
        """Replace the history of one branch by a single commit with the same files."""
        require_write(identity(request))
        body = await read_json(request)
        return await run_in_threadpool(self._super_squash, request, body)

    def _super_squash(self, request: Request, body: dict[str, Any]) -> Response:
        repository = self._hub.repository(request)
        branch = parameter(request, "branch")
        ref = branch if branch.startswith("refs/") else f"refs/heads/{branch}"
        old = repository.commit_of(ref)
        message = str(
            body.get("message") or f"Super-squash branch '{branch}' using huggingface_hub"
        )
        user = identity(request).user
        squashed = repository.commit_tree(f"{old}^{{tree}}", [], message, user)
        if not repository.update_ref(ref, squashed, old):
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        return PlainTextResponse("OK")


def _new_ref(prefix: str, name: str, kind: str) -> str:
    if name.startswith("refs/") or not is_valid_ref_name(name):
        raise HubError(400, f"Invalid reference for a {kind}: {name}")
    return prefix + name


def _delete_ref(repository: Repository, ref: str, name: str) -> None:
    """Delete `ref` as it stands now. Raises `HubError` 404 when it does not exist."""
    if not is_valid_ref_name(name) or repository.git.commit_id(ref) is None:
        raise revision_not_found(name)
    repository.git.run("update-ref", "-d", ref)


def _annotated_tag(repository: Repository, name: str, target: str, message: str, user: str) -> str:
    git = repository.git
    when = git.line("log", "-1", "--format=%ct +0000", target)
    tagger = f"{user} <{user}@users.noreply.localhost> {when}"
    text = f"object {target}\ntype commit\ntag {name}\ntagger {tagger}\n\n{message}\n"
    return git.line("mktag", stdin=text.encode())


def _refs_json(refs: list[Ref]) -> list[dict[str, str]]:
    return [{"name": r.name, "ref": r.ref, "targetCommit": r.commit} for r in refs]


def _commit_json(record: str, formatted: bool) -> dict[str, Any]:
    id, author, date, title, message = record.split("\0")
    commit: dict[str, Any] = {
        "id": id,
        "title": title,
        "message": message.strip(),
        "authors": [{"user": author, "avatar": None}],
        "date": date,
    }
    if formatted:
        commit["formatted"] = {"title": title, "message": commit["message"]}
    return commit
