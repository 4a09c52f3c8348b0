"""Tell a U-Net what it draws: learned embeddings of that beside the one of the timestep.

Upstream's class-conditional U-Net is another network with fixed attention; this one is the same
`Unet` as without classes, so that strategies can be compared and weights handed on.
"""

from collections.abc import Sequence
from typing import cast

import torch
from denoising_diffusion_pytorch import Unet
from torch import Tensor, nn

from augment.network.augmentation import N_CHANGES

# Wide enough to tell the classes apart from the first step (from zero it took twice as long).
_SPREAD = 0.3


class Embedding(nn.Module):
    """Upstream's embedding of the timestep, plus one of the class, plus one of the augmentation.

    The label `n_classes` stands for any class (classifier-free guidance, arXiv:2207.12598). A
    network in evaluation mode draws what was not augmented (arXiv:2206.00364, appendix F): zeros,
    of which nothing comes.

    Attributes:
        labels: (B,) int64 of the batch that comes next, or one for all of it; see `ask_for`.
        changes: (B, 5) float32 of the batch that comes next in training; see `augmentation`.
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
        self.changes = torch.zeros(1, N_CHANGES)

    def forward(self, times: Tensor) -> Tensor:
        """Embed (B,) timesteps, each for its label; (B, width)."""
        embedded: Tensor = self.of_time(times)
        if self.of_class is not None:
            embedded = embedded + self.of_class(self.labels.to(times.device))
        if self.training:
            embedded = embedded + self.of_changes(self.changes.to(times.device))
        return embedded


def condition(unet: Unet, n_classes: int) -> None:
    """Let a U-Net be told of augmentation and, where there are some, of classes, in place."""
    width = unet.time_mlp[-1].out_features
    unet.time_mlp = Embedding(unet.time_mlp, n_classes, width)


def label_of(class_name: str, classes: Sequence[str]) -> int:
    """Return what a network that is told of `classes` is told of one; 0 if it is told of none.

    Of a class that is not among them: the label that stands for any class.
    """
    return classes.index(class_name) if class_name in classes else len(classes)


def ask_for(unet: nn.Module, labels: Tensor) -> None:
    """Say which classes the next batch is of: (B,) labels, or one for all of it."""
    cast(Embedding, unet.time_mlp).labels = labels


def tell_changes(unet: nn.Module, changes: Tensor) -> None:
    """Say how the next training batch was augmented: (B, 5), see `augment.network.augmentation`."""
    cast(Embedding, unet.time_mlp).changes = changes


def forget_some(labels: Tensor, any_class: int, share: float, draw: torch.Generator) -> Tensor:
    """Replace a random share of the labels by "any class", which guidance needs to have learned."""
    forgotten = torch.rand(labels.shape, generator=draw) < share
    return torch.where(forgotten, any_class, labels)


class Guided(nn.Module):
    """A conditional U-Net that draws one class, for sampling.

    Args:
        unet: with a class embedding.
        label: of the class.
        scale: 1 asks for the class; more exaggerates what sets it apart from the others
            (equation 6 of arXiv:2207.12598), at a second network call.
    """

    def __init__(self, unet: Unet, label: int, scale: float) -> None:
        super().__init__()
        self.unet, self.scale = unet, scale
        # On the device, as recorded work cannot copy from the host (`terrabalance.cuda_graphs`).
        self.asked: Tensor
        self.register_buffer("asked", torch.tensor([label, unet.time_mlp.any_class]), False)

    def forward(self, images: Tensor, times: Tensor, _: None = None) -> Tensor:
        """Predict for (B, C, S, S) images and (B,) timesteps, shaped as the images."""
        wanted = self._ask(images, times, self.asked[:1])
        if self.scale == 1:
            return wanted
        plain = self._ask(images, times, self.asked[1:])
        return plain + self.scale * (wanted - plain)

    def _ask(self, images: Tensor, times: Tensor, label: Tensor) -> Tensor:
        ask_for(self.unet, label)
        predicted: Tensor = self.unet(images, times)
        return predicted
