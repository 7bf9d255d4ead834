"""A Hub on loopback: real git repositories, LFS and the REST routes of `huggingface_hub`.

It serves the quick start, the tests and sites without a network, and keeps to the Hub's rules so
that what works here works there. `LocalHub` starts one; `python -m hub_revisions.local_hub` serves
one from the command line.

    process, __main__, server, settings    starting and stopping
    app, middleware, auth, errors, hub     what every request goes through
    faults, fault_layer, fault_api         requests that go wrong on purpose (`--faults`)
    repo_api, ref_api, file_api,           REST: repositories, branches and tags, reading,
    preupload_api, commit_api, paging      committing
    git_http                               clone, fetch and push, by `git http-backend`
    pre_receive, rules, expansion,         what a push or commit may contain
    card, pointer
    lfs, storage, presign, objects         LFS and the object storage behind pre-signed URLs
    xet, xet_format                        uploads by clients that have `hf_xet`
    pages, revisions                       what a browser shows: repositories, reports, files
    repos, git, files, staging, names      repositories on disk, by git's plumbing
"""

from .process import LocalHub

__all__ = ["LocalHub"]
