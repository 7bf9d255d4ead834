"""Addresses of repositories, of their revisions and files."""

from __future__ import annotations


def is_address(repo_id: str) -> bool:
    """Whether a repository is named by git's own address, and not as on a Hub."""
    return ":" in repo_id


def user_of(repo_id: str) -> str:
    """The user's name in an address; "" without one."""
    _, _, rest = repo_id.partition("://")
    return rest.partition("/")[0].rpartition("@")[0]


def has_pages(endpoint: str, repo_id: str) -> bool:
    """Whether the server shows revisions at the Hub's places: unknown of any other git server."""
    return not is_address(repo_id) and not endpoint.startswith("file:")


def repository_url(endpoint: str, repo_id: str) -> str:
    """The repository itself, without the user's name that its address may hold."""
    if not is_address(repo_id):
        return f"{endpoint.rstrip('/')}/{repo_id}"
    scheme, _, rest = repo_id.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def server_of(endpoint: str, repo_id: str) -> str:
    """Where something is pushed to: a server, or one repository by its address."""
    return repository_url(endpoint, repo_id) if is_address(repo_id) else endpoint


def page_url(endpoint: str, repo_id: str, page: str) -> str:
    """A page of the repository, such as "tree/REVISION"; the repository where it has none."""
    url = repository_url(endpoint, repo_id)
    return f"{url}/{page}" if has_pages(endpoint, repo_id) else url
