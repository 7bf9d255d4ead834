"""For scripts that come from open-r1: the callbacks that a recipe names.

    from hub_revisions.open_r1 import get_callbacks

instead of `open_r1.utils.callbacks`. The rest of the script stays, and so does the recipe.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from ._native import config_error
from .callback import HubRevisionCallback
from .settings import Config

PUSH_TO_HUB_REVISION = "push_to_hub_revision"

logger = logging.getLogger("hub_revisions")


def get_callbacks(
    train_config: Any, model_config: Any, config: Config = None, **settings: Any
) -> list[HubRevisionCallback]:
    """The callbacks of a recipe: a `HubRevisionCallback`, or none.

    There is one if `train_config.callbacks` names "push_to_hub_revision", or if
    `train_config.push_to_hub_revision` is true. Revisions are named after `hub_model_revision`,
    `overwrite_hub_revision` lets them replace those of an earlier run, a repository is created
    private unless `hub_private_repo` says otherwise, as open-r1 does it, and the card names the
    base model of `model_config` and shows `system_prompt`. `config` and keyword arguments are
    settings of `HubRevisionCallback`, and win over all of this.

    Raises `ConfigError` for other names: a callback of one's own goes to the trainer beside these.
    """
    names = list(getattr(train_config, "callbacks", None) or [])
    for name in names:
        if name != PUSH_TO_HUB_REVISION:
            raise config_error(
                f"callbacks: '{name}' is not known here, only '{PUSH_TO_HUB_REVISION}' is; "
                "give the trainer callbacks of your own beside those of get_callbacks()"
            )
    if not names and not getattr(train_config, PUSH_TO_HUB_REVISION, False):
        return []
    if getattr(train_config, "benchmarks", None) and not settings.get("evaluate"):
        logger.warning(
            "the benchmarks of the recipe are not run; evaluate each revision with the setting "
            "'evaluate' (see configs/eval-lighteval.json)"
        )
    recipe: dict[str, Any] = {}
    if getattr(train_config, "hub_private_repo", None) is None:
        recipe["private"] = True
    if getattr(train_config, "overwrite_hub_revision", False):
        recipe["exists"] = "overwrite"
    base_model = getattr(model_config, "model_name_or_path", None)
    if base_model and not Path(base_model).exists():
        recipe["base_model"] = base_model
    return [HubRevisionCallback(config, **{**recipe, **settings})]
