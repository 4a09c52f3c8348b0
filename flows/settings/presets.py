"""Named starting points. A preset only fills what the user left open."""

from typing import Any, Literal

PresetName = Literal["demo", "cpu", "8gb", "24gb", "datacenter", "tutorial"]

_PRETRAINED = {
    "model": "resnet50", "pretrained": True, "image_size": 224, "steps": 3000, "batch_size": 64,
}  # fmt: skip

_PASSES = 800

PRESETS: dict[str, dict[str, Any]] = {
    # Minutes on two cores, for the drawn scenes of `terrabalance demo`.
    "demo": {
        "plan": {"rarest": 2, "target": "80"},
        "generator": {
            "image_size": 24, "dim": 24, "dim_mults": (1, 2, 4), "attention_heads": 2,
            "attention_dim": 16,
        },
        "base": {
            "steps": 700, "batch_size": 16, "learning_rate": 2e-3, "ema_decay": 0.99,
            "preview_every": 100, "checkpoint_every": 50,
        },
        "training": {
            "steps": 250, "batch_size": 16, "learning_rate": 1e-3, "ema_decay": 0.99,
            "preview_every": 50, "checkpoint_every": 50,
        },
        "classifier": {
            "model": "resnet10t", "pretrained": False, "image_size": 32, "steps": 150,
            "batch_size": 32, "learning_rate": 2e-3,
        },
        "fidelity": {"model": "baseline"},
    },
    # A first look at real images without a GPU: small pictures, the three rarest classes.
    "cpu": {
        "plan": {"rarest": 3},
        "generator": {
            "image_size": 64, "patch": 2, "dim": 32, "dim_mults": (1, 2, 4),
            "attention_heads": 2, "attention_dim": 16,
        },
        "base": {
            "steps": 2000, "batch_size": 16, "learning_rate": 2e-3,
            "preview_every": 250, "checkpoint_every": 100,
        },
        "training": {
            # Of ten images the loss on unseen ones rises after 320 passes at the latest, of thirty
            # it falls for longer than these steps last: docs/benchmarks/training_length.md.
            "steps": 800, "passes": 400, "batch_size": 16, "learning_rate": 1e-3,
            "preview_every": 100, "checkpoint_every": 100,
        },
        "sampling": {"sampler": "unipc", "steps": 12},  # see docs/benchmarks/sampling.md
        "classifier": {
            "model": "resnet10t", "pretrained": False, "image_size": 64, "steps": 400,
            "batch_size": 32, "learning_rate": 2e-3,
        },
        "fidelity": {"model": "baseline"},
    },
    # One GPU, every minority class. Batches leave room for the driver, the images and for cards
    # without bf16; what they take is in docs/benchmarks/memory.md.
    "8gb": {
        "generator": {"image_size": 128, "dim": 64},
        "base": {"steps": 20_000, "batch_size": 8, "accumulate": 2},
        "training": {
            "steps": 5_000, "passes": _PASSES, "batch_size": 8, "accumulate": 2,
            "learning_rate": 1e-4,
        },
        "classifier": _PRETRAINED,
    },
    "24gb": {
        "generator": {"image_size": 256, "dim": 64},
        "base": {"steps": 20_000, "batch_size": 8, "accumulate": 2},
        "training": {
            "steps": 5_000, "passes": _PASSES, "batch_size": 8, "accumulate": 2,
            "learning_rate": 1e-4,
        },
        "classifier": _PRETRAINED,
    },
    # 80 GB and more: as 24gb, four times as long.
    "datacenter": {
        "generator": {"image_size": 256, "dim": 64},
        "base": {"steps": 40_000, "batch_size": 32},
        "training": {
            "steps": 10_000, "passes": _PASSES, "batch_size": 32, "learning_rate": 1e-4,
        },
        "sampling": {"batch_size": 128},
        "classifier": _PRETRAINED,
    },
    # The settings of the tutorial that terrabalance grew out of, for one class at 256 px. Its
    # version of denoising_diffusion_pytorch predicted the noise under the cosine schedule. In 8 GB
    # its batches of 10 are cut by themselves, and 16 images at once can be drawn.
    "tutorial": {
        "strategy": "scratch",
        "generator": {
            "image_size": 256, "dim": 64, "dim_mults": (1, 2, 4, 8), "timesteps": 1000,
            "objective": "pred_noise", "beta_schedule": "cosine",
        },
        "training": {
            "steps": 10_000, "batch_size": 10, "accumulate": 2, "learning_rate": 8e-5,
            "learning_rate_schedule": "constant", "optimizer": "adam", "loss": "l1",
            "ema_decay": 0.995, "ema_every": 10, "symmetries": "flip",
            "precision": "fp32", "preview_every": 1000, "checkpoint_every": 1000,
        },
        "sampling": {"sampler": "ancestral", "batch_size": 16},
        "classifier": _PRETRAINED,
    },
}  # fmt: skip


def merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge two nested dicts; where both say something, `over` wins."""
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged
