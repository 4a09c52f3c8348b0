"""Named starting points. A preset only fills what the user left open."""

from typing import Any, Literal

PresetName = Literal["demo", "cpu", "gpu", "tutorial"]

PRESETS: dict[str, dict[str, Any]] = {
    # Minutes on two cores, for the drawn scenes of `terrabalance demo`.
    "demo": {
        "plan": {"rarest": 2, "target": "80"},
        "generator": {
            "image_size": 24, "dim": 24, "dim_mults": (1, 2, 4), "attention_heads": 2,
            "attention_dim": 16, "min_snr": True,
        },
        "training": {
            "steps": 600, "batch_size": 16, "learning_rate": 2e-3, "ema_decay": 0.99,
            "preview_every": 100, "checkpoint_every": 50,
        },
        "sampling": {"steps": 25},
        "classifier": {
            "model": "resnet10t", "pretrained": False, "image_size": 32, "steps": 150,
            "batch_size": 32, "learning_rate": 2e-3,
        },
    },
    # A first look at real images without a GPU: small pictures, the three rarest classes.
    "cpu": {
        "plan": {"rarest": 3},
        "generator": {
            "image_size": 32, "dim": 32, "dim_mults": (1, 2, 4), "attention_heads": 2,
            "attention_dim": 16, "min_snr": True,
        },
        "training": {
            "steps": 1000, "batch_size": 16, "learning_rate": 2e-3,
            "preview_every": 250, "checkpoint_every": 100,
        },
        "sampling": {"steps": 50},
        "classifier": {
            "model": "resnet10t", "pretrained": False, "image_size": 64, "steps": 400,
            "batch_size": 32, "learning_rate": 2e-3,
        },
    },
    # One GPU: 64 px, every minority class.
    "gpu": {
        "generator": {"image_size": 64, "dim": 64},
        "training": {"steps": 10_000, "batch_size": 32},
        "sampling": {"batch_size": 128},
        "classifier": {
            "model": "resnet50", "pretrained": True, "image_size": 224, "steps": 3000,
            "batch_size": 64,
        },
    },
    # The settings of the tutorial that terrabalance grew out of, for one class at 256 px. Its
    # version of denoising_diffusion_pytorch predicted the noise under the cosine schedule.
    "tutorial": {
        "generator": {
            "image_size": 256, "dim": 64, "dim_mults": (1, 2, 4, 8), "timesteps": 1000,
            "objective": "pred_noise", "beta_schedule": "cosine",
        },
        "training": {
            "steps": 10_000, "batch_size": 10, "accumulate": 2, "learning_rate": 8e-5,
            "loss": "l1", "ema_decay": 0.995, "symmetries": "none", "precision": "fp32",
            "preview_every": 1000, "checkpoint_every": 1000,
        },
        "sampling": {"sampler": "ancestral", "batch_size": 36},
        "classifier": {
            "model": "resnet50", "pretrained": True, "image_size": 224, "steps": 3000,
            "batch_size": 64,
        },
    },
}  # fmt: skip


def merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge two nested dicts; where both say something, `over` wins."""
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged
