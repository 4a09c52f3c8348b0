"""Networks that predict without error, where it is known how the images are distributed."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Oracle(nn.Module, ABC):
    """Predicts v.

    Args:
        alphas_cumprod: (timesteps,), the signal that is left at each.
    """

    def __init__(self, alphas_cumprod: Tensor) -> None:
        super().__init__()
        self.alphas_cumprod = alphas_cumprod

    def forward(self, images: Tensor, times: Tensor, _: None = None) -> Tensor:
        signal = self.alphas_cumprod[times].view(-1, 1, 1, 1)
        alpha, sigma = signal.sqrt(), (1 - signal).sqrt()
        clean = self.clean(images, alpha, sigma)
        return alpha * (images - alpha * clean) / sigma - sigma * clean

    @abstractmethod
    def clean(self, images: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """Return the expected clean images, given the noised ones."""
