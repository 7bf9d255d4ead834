"""Every checkpoint of a training run becomes its own revision of a Hub model repository.

    from hub_revisions import HubRevisionCallback

    trainer = Trainer(..., callbacks=[HubRevisionCallback()])

The names below are loaded when they are first used, so that neither `import hub_revisions` nor the
command line waits for torch and transformers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._core import (
        AuthError,
        ConfigError,
        HubRevisionError,
        InvalidCheckpointError,
        __version__,
    )
    from ._native import JobRecord, Promotion, Revision
    from .callback import HubRevisionCallback
    from .fetch import resume_from
    from .publish import Published, save_and_publish
    from .pusher import RevisionPusher
    from .repository import Repository
    from .selection.best import BestRevision, best_revision, list_revisions, promote

_HOMES = {
    "_core": (
        "AuthError",
        "ConfigError",
        "HubRevisionError",
        "InvalidCheckpointError",
        "__version__",
    ),
    "_native": ("JobRecord", "Promotion", "Revision"),
    "callback": ("HubRevisionCallback",),
    "fetch": ("resume_from",),
    "publish": ("Published", "save_and_publish"),
    "pusher": ("RevisionPusher",),
    "repository": ("Repository",),
    "selection.best": ("BestRevision", "best_revision", "list_revisions", "promote"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AuthError",
    "BestRevision",
    "ConfigError",
    "HubRevisionCallback",
    "HubRevisionError",
    "InvalidCheckpointError",
    "JobRecord",
    "Promotion",
    "Published",
    "Repository",
    "Revision",
    "RevisionPusher",
    "__version__",
    "best_revision",
    "list_revisions",
    "promote",
    "resume_from",
    "save_and_publish",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
