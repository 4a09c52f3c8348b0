"""The training loss: upstream's objectives and weights, with l2, l1 or huber distances."""

import torch.nn.functional as F
from denoising_diffusion_pytorch import GaussianDiffusion
from torch import Tensor

_DISTANCES = {"l1": F.l1_loss, "l2": F.mse_loss, "huber": F.smooth_l1_loss}


def diffusion_loss(
    diffusion: GaussianDiffusion, images: Tensor, times: Tensor, noise: Tensor, loss: str
) -> Tensor:
    """Return the weighted training loss of (B, C, H, W) images in [-1, 1], a scalar.

    Equal to upstream's `p_losses` for `loss="l2"`; `l1` and `huber` equal its former `loss_type`.

    Args:
        diffusion: holds the network, the objective and the weight of each timestep.
        images: clean images, (B, C, H, W).
        times: (B,) int64 timesteps in [0, timesteps).
        noise: standard normal, shaped as `images`.
        loss: `l2`, `l1` or `huber`.
    """
    noisy = diffusion.q_sample(x_start=images, t=times, noise=noise)
    predicted = diffusion.model(noisy, times).float()
    if diffusion.objective == "pred_noise":
        wanted = noise
    elif diffusion.objective == "pred_x0":
        wanted = images
    else:
        wanted = diffusion.predict_v(images, times, noise)
    each = _DISTANCES[loss](predicted, wanted, reduction="none")
    return (each.flatten(1).mean(1) * diffusion.loss_weight[times]).mean()
