"""Upstream's network and `Trainer` as they ship, for the other benchmarks to race against."""

from pathlib import Path

from denoising_diffusion_pytorch import GaussianDiffusion, Trainer, Unet

from augment.network.config import GeneratorConfig
from terrabalance.sizes import height_width


def upstream_diffusion(config: GeneratorConfig) -> GaussianDiffusion:
    """Return upstream's diffusion model of the network that `config` describes, on the CPU.

    Dropout, class labels, patches and the shift of the schedule are ours and not taken over.
    """
    unet = Unet(
        dim=config.dim, dim_mults=config.dim_mults, attn_heads=config.attention_heads,
        attn_dim_head=config.attention_dim,
    )  # fmt: skip
    return GaussianDiffusion(
        unet, image_size=height_width(config.image_size), timesteps=config.timesteps,
        objective=config.objective, beta_schedule=config.beta_schedule,
        min_snr_loss_weight=config.min_snr,
    )  # fmt: skip


def upstream_trainer(
    config: GeneratorConfig, images: Path, results: Path, batch_size: int, steps: int
) -> Trainer:
    """Return upstream's `Trainer`, with its defaults, of the network that `config` describes.

    Args:
        config: see `upstream_diffusion`.
        images: folder of at least 100 files.
        results: folder that gets its milestones.
        batch_size: images of an optimizer step.
        steps: optimizer steps.
    """
    return Trainer(
        upstream_diffusion(config), str(images), train_batch_size=batch_size,
        gradient_accumulate_every=1, train_num_steps=steps, calculate_fid=False,
        save_and_sample_every=10**9, results_folder=str(results),
    )  # fmt: skip
