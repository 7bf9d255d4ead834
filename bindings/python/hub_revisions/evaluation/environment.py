"""What an evaluator sees of the environment: an allowed list, never all of it.

An evaluator that inherits RANK, WORLD_SIZE or MASTER_ADDR believes that it is part of the training
and waits for the others; one that inherits SLURM_* of the training's job asks for its resources. So
only what is named here goes on, and what the configuration names in "pass_env".

The token is the training's, which may write to the repository, and evaluators run other people's
code: it goes on only with "pass_token": true, which private repositories need where no
`hf auth login` was done for the user who evaluates. It travels in the environment alone, never in
a file or on a command line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..credentials import TOKEN_VARIABLES

_ALLOWED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
        *("LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONPATH", "XDG_CACHE_HOME"),
        *("HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_TOKEN_PATH", "HF_ENDPOINT"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        "SLURM_CONF",
    }
)
_ALLOWED_PREFIXES = ("LC_", "CONDA_")


def allowed_environment(
    outer: Mapping[str, str],
    *,
    pass_env: Sequence[str] = (),
    endpoint: str = "",
    token: str = "",
) -> dict[str, str]:
    """The part of `outer` that evaluators, and the commands that start them, may see.

    `pass_env` names more variables; a token's is never one of them. `endpoint` is where the
    revisions are, whatever HF_ENDPOINT says. `token` is given on if it is not empty.
    """
    names = {*_ALLOWED, *pass_env} - {*TOKEN_VARIABLES}
    chosen = {
        name: value
        for name, value in outer.items()
        if name in names or name.startswith(_ALLOWED_PREFIXES)
    }
    if endpoint:
        chosen["HF_ENDPOINT"] = endpoint
    if token:
        chosen["HF_TOKEN"] = token
    return chosen
