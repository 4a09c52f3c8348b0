"""What a user may change about the classifier that judges the two arms."""

from pathlib import Path

from pydantic import Field

from terrabalance.settings import Settings


class ClassifierConfig(Settings):
    """Settings of the judge; the same for every arm, so that only the images differ."""

    model: str = Field("resnet18", min_length=1, description="any timm model name")
    pretrained: bool = Field(True, description="load the weights of that name from the hub")
    weights: Path | None = Field(
        None, description="local .safetensors or .pth file, used instead of the hub"
    )
    image_size: int = Field(
        128, ge=16, le=1024, description="side of the network's square input, in pixels"
    )
    steps: int = Field(2_000, gt=0, description="optimizer steps, equal in every arm")
    batch_size: int = Field(64, ge=2, le=4096, description="images a step")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="peak of the AdamW schedule")
    weight_decay: float = Field(0.05, ge=0, le=1, description="of matrices; norms and biases none")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of the label spread evenly")
    seeds: tuple[int, ...] = Field(
        (0, 1, 2), min_length=1, description="one training a seed and arm; 3 or more for a verdict"
    )
    symmetries: bool = Field(
        True, description="train on the eight symmetries of the square (views from above)"
    )
