"""What a person sees in a browser: the repositories, one's report, the files of a revision.

A browser asks for a token as for a password, with any user name: nothing is shown without one.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ..report import build_report, render_list, render_page
from ..report.markup import link
from ..tables import format_bytes
from .files import BlobEntry, list_tree
from .hub import Hub, identity, parameter
from .repos import Repository
from .revisions import read_contents

REFRESH_SECONDS = 2.0
# Beside each page's own policy: no other site may show it in a frame.
_HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}


class Pages:
    """The pages. They only read, so they are plain GETs."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> list[Route]:
        return [
            Route("/", self.repositories),
            Route("/{namespace}/{name}", self.report),
            Route("/{namespace}/{name}/tree/{rev}", self.files),
        ]

    def repositories(self, request: Request) -> Response:
        """All repositories that the token sees."""
        seen = [
            repository
            for repository in self._hub.repositories.all()
            if identity(request).can_see(repository.id)
        ]
        seen.sort(key=lambda repository: str(repository.id).lower())
        rows = [self._repository_row(request, repository) for repository in seen]
        headers = ["repository", "branches", "visibility"]
        return HTMLResponse(render_list("Local hub", headers, rows), headers=_HEADERS)

    def report(self, request: Request) -> Response:
        """A repository's report, which looks for news by itself."""
        repository = self._hub.repository(request)
        state = repository.git.run("for-each-ref", "--format=%(objectname) %(refname)")
        tag = f'"{hashlib.sha256(str(repository.id).encode() + state).hexdigest()}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=_HEADERS | {"ETag": tag})
        contents = read_contents(repository)
        data = build_report(
            str(repository.id),
            contents.revisions,
            contents.records,
            endpoint=self._hub.endpoint(request),
            tags=contents.tags,
        )
        page = render_page(data, refresh_seconds=REFRESH_SECONDS)
        return HTMLResponse(page, headers=_HEADERS | {"ETag": tag})

    def files(self, request: Request) -> Response:
        """The files of a branch, tag or commit."""
        repository = self._hub.repository(request)
        revision = parameter(request, "rev")
        commit = repository.commit_of(revision)
        base = f"{self._hub.endpoint(request)}/{repository.id}"
        rows = [
            [
                link(entry.path, f"{base}/resolve/{commit}/{quote(entry.path)}"),
                format_bytes(entry.pointer.size if entry.pointer else entry.size),
            ]
            for entry in list_tree(repository, commit, "", recursive=True)
            if isinstance(entry, BlobEntry)
        ]
        title = f"{repository.id} at {revision}"
        page = render_list(title, ["file", "size"], rows, back=base)
        return HTMLResponse(page, headers=_HEADERS)

    def _repository_row(self, request: Request, repository: Repository) -> list[str]:
        address = f"{self._hub.endpoint(request)}/{repository.id}"
        private = bool(repository.metadata["private"])
        count = len(repository.refs("refs/heads/"))
        return [link(str(repository.id), address), str(count), "private" if private else "public"]
