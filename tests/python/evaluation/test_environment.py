"""What reaches an evaluator of the training's environment."""

from __future__ import annotations

import pytest
from hub_revisions.evaluation.environment import allowed_environment

TRAINING = {
    "PATH": "/bin",
    "HOME": "/home/me",
    "LC_ALL": "C.UTF-8",
    "CONDA_PREFIX": "/opt/conda",
    "HF_HOME": "/cache",
    "HF_ENDPOINT": "https://elsewhere.example",
    "HTTPS_PROXY": "http://proxy.example",
    "SLURM_CONF": "/etc/slurm/slurm.conf",
    "JUDGE_KEY": "k",
}
OF_THE_TRAINING = {
    "RANK": "0",
    "LOCAL_RANK": "0",
    "WORLD_SIZE": "8",
    "MASTER_ADDR": "10.0.0.1",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_RUN_ID": "x",
    "ACCELERATE_USE_FSDP": "true",
    "PMI_RANK": "0",
    "OMPI_COMM_WORLD_RANK": "0",
    "NCCL_DEBUG": "INFO",
    "SLURM_JOB_ID": "7",
    "SBATCH_PARTITION": "train",
    "CUDA_VISIBLE_DEVICES": "0",
    "HF_TOKEN": "hf_secret",
    "HUGGING_FACE_HUB_TOKEN": "hf_secret",
}


def test_only_what_is_allowed_goes_on() -> None:
    seen = allowed_environment(TRAINING | OF_THE_TRAINING)
    assert seen == {name: value for name, value in TRAINING.items() if name != "JUDGE_KEY"}


def test_the_configuration_may_let_more_through() -> None:
    seen = allowed_environment(TRAINING | OF_THE_TRAINING, pass_env=["JUDGE_KEY", "NCCL_DEBUG"])
    assert (seen["JUDGE_KEY"], seen["NCCL_DEBUG"]) == ("k", "INFO")


@pytest.mark.parametrize("name", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"])
def test_a_token_goes_on_only_where_it_is_given(name: str) -> None:
    assert name not in allowed_environment(OF_THE_TRAINING, pass_env=[name])
    assert allowed_environment(OF_THE_TRAINING, token="hf_given")["HF_TOKEN"] == "hf_given"


def test_the_endpoint_is_the_repositorys() -> None:
    seen = allowed_environment(TRAINING, endpoint="http://127.0.0.1:1")
    assert seen["HF_ENDPOINT"] == "http://127.0.0.1:1"
