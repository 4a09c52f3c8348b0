"""Condition a U-Net on the class and the augmentation by embeddings added to the timestep's.

Upstream's class-conditional U-Net is another network with fixed attention. This one is the same
`Unet` as without classes, so that strategies can be compared and weights reused.
"""

from collections.abc import Sequence
from typing import cast

import torch
from denoising_diffusion_pytorch import Unet
from torch import Tensor, nn

from augment.network.augmentation import N_CHANGES

# Large enough to tell the classes apart from the first step (from zero it took twice as long).
_SPREAD = 0.3


class Embedding(nn.Module):
    """Upstream's embedding of the timestep, plus one of the class, plus one of the augmentation.

    The label `n_classes` stands for any class (classifier-free guidance, arXiv:2207.12598). In
    evaluation mode the augmentation is zero, and adds nothing: the network draws images without it
    (arXiv:2206.00364, appendix F).

    Attributes:
        labels: (B,) int64 of the next batch, or one for all of it; see `set_labels`.
        augmentation: (B, 5) float32 of the next training batch; see `set_augmentation`.
    """

    def __init__(self, of_time: nn.Module, n_classes: int, width: int) -> None:
        super().__init__()
        self.of_time = of_time
        self.of_class = nn.Embedding(n_classes + 1, width) if n_classes else None
        if self.of_class is not None:
            nn.init.normal_(self.of_class.weight, std=_SPREAD)
        self.of_changes = nn.Linear(N_CHANGES, width, bias=False)
        nn.init.normal_(self.of_changes.weight, std=_SPREAD)
        self.any_class = n_classes
        self.labels = torch.tensor([n_classes])
        self.augmentation = torch.zeros(1, N_CHANGES)

    def forward(self, times: Tensor) -> Tensor:
        """Embed (B,) timesteps, each with its label; return (B, width)."""
        embedded: Tensor = self.of_time(times)
        if self.of_class is not None:
            embedded = embedded + self.of_class(self.labels.to(times.device))
        if self.training:
            embedded = embedded + self.of_changes(self.augmentation.to(times.device))
        return embedded


def condition(unet: Unet, n_classes: int) -> None:
    """Condition a U-Net on augmentation and, with `n_classes` above 0, on classes, in place."""
    width = unet.time_mlp[-1].out_features
    unet.time_mlp = Embedding(unet.time_mlp, n_classes, width)


def label_of(class_name: str, classes: Sequence[str]) -> int:
    """Return the label of a class; 0 for a network without classes.

    A class that is not among `classes` gets the label that stands for any class.
    """
    return classes.index(class_name) if class_name in classes else len(classes)


def set_labels(unet: nn.Module, labels: Tensor) -> None:
    """Set the class labels of the next batch: (B,) int64, or one for all of it."""
    cast(Embedding, unet.time_mlp).labels = labels


def set_augmentation(unet: nn.Module, augmentation: Tensor) -> None:
    """Set the augmentation of the next training batch: (B, 5) float32, in standard deviations."""
    cast(Embedding, unet.time_mlp).augmentation = augmentation


def drop_labels(labels: Tensor, any_class: int, share: float, draw: torch.Generator) -> Tensor:
    """Replace a random share of (B,) labels by `any_class`, which guidance needs to be learned."""
    dropped = torch.rand(labels.shape, generator=draw) < share
    return torch.where(dropped, any_class, labels)


class Guided(nn.Module):
    """A conditional U-Net that draws one class, for sampling.

    Args:
        unet: with a class embedding.
        label: of the class.
        scale: guidance scale; 1 draws the class, more exaggerates what sets it apart from the
            others (equation 6 of arXiv:2207.12598), at a second network call.
    """

    def __init__(self, unet: Unet, label: int, scale: float) -> None:
        super().__init__()
        self.unet, self.scale = unet, scale
        # On the device, as recorded work cannot copy from the host (`terrabalance.cuda_graphs`).
        self.labels: Tensor
        self.register_buffer("labels", torch.tensor([label, unet.time_mlp.any_class]), False)

    def forward(self, images: Tensor, times: Tensor, _: None = None) -> Tensor:
        """Predict for (B, C, S, S) images and (B,) timesteps, shaped as the images."""
        conditional = self._predict(images, times, self.labels[:1])
        if self.scale == 1:
            return conditional
        unconditional = self._predict(images, times, self.labels[1:])
        return unconditional + self.scale * (conditional - unconditional)

    def _predict(self, images: Tensor, times: Tensor, label: Tensor) -> Tensor:
        set_labels(self.unet, label)
        predicted: Tensor = self.unet(images, times)
        return predicted
