"""Settings that were renamed or removed: old files are understood, and results keep their names."""

import pytest
from pydantic import ValidationError

from augment.config import NOT_RESULT, SamplingConfig, TrainingConfig
from augment.network.config import GeneratorConfig

# As `model_dump(mode="json")` gave them before settings were renamed.
OLD_TRAINING = {
    "steps": 10_000, "views": 800, "looks": 3, "memorizing": 0.1, "batch_size": 16,
    "accumulate": 1, "learning_rate": 3e-4, "schedule": "constant", "warmup_steps": 30,
    "loss": "l2", "ema_decay": None, "ema_every": 1, "max_grad_norm": 1.0, "symmetries": "all",
    "augment": 0.0, "label_dropout": 0.1, "precision": "auto", "compile": False,
    "preview_every": 500, "checkpoint_every": 250,
}  # fmt: skip
TRAINING = TrainingConfig(
    passes=800, evaluations=3, learning_rate_schedule="constant", optimizer="adam"
)
GENERATOR = GeneratorConfig(noise_schedule_base_size=64)


def test_settings_by_their_old_names_are_understood():
    assert TrainingConfig(**TrainingConfig.completed(OLD_TRAINING)) == TRAINING
    assert GeneratorConfig(schedule_base_size=64) == GENERATOR
    assert GeneratorConfig(schedule_base_size="none") == GeneratorConfig()


def test_results_keep_the_names_that_they_had_before():
    decides = {name: value for name, value in OLD_TRAINING.items() if name not in NOT_RESULT}
    assert TRAINING.key(NOT_RESULT) == decides
    assert TRAINING.key() == OLD_TRAINING
    assert GENERATOR.key()["schedule_base_size"] == 64


@pytest.mark.parametrize("gone", [{"compile": True}, {"max_grad_norm": 2.0}])
def test_a_setting_that_is_gone_is_refused_where_it_would_change_something(gone):
    with pytest.raises(ValidationError, match=next(iter(gone))):
        TrainingConfig(**gone)


@pytest.mark.parametrize(("n_images", "steps"), [(2, 50), (10, 250), (50, 1000), (1000, 1000)])
def test_a_small_class_is_trained_for_fewer_steps(n_images, steps):
    config = TrainingConfig(steps=1000, passes=200, batch_size=4, accumulate=2)
    assert config.for_images(n_images).steps == steps
    assert config.model_copy(update={"passes": None}).for_images(n_images).steps == 1000


def test_keeping_a_part_needs_a_sampler_that_can():
    with pytest.raises(ValueError, match=r"keep needs sampler = unipc or dpm\+\+"):
        SamplingConfig(keep=0.5, sampler="ddim")
