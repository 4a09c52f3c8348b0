"""Which network gives the features behind KID, held-out evaluation and screening: its settings."""

from pydantic import Field

from terrabalance.settings import LONGEST_PATH, AbsolutePath, Settings

TRAINED_HERE = "baseline"  # in place of the name of a pretrained network


class FeatureConfig(Settings):
    """The feature network, whose features measure how close synthetic images are to real ones."""

    model: str = Field(
        "vit_small_patch14_dinov2.lvd142m",
        min_length=1,
        max_length=LONGEST_PATH,
        description="any timm model name, with the weights of that name from the hub, or "
        f"{TRAINED_HERE!r}: a classifier like those of the comparison, trained on the real train "
        "part",
    )
    weights: AbsolutePath | None = Field(None, description="local file, used instead of the hub")
    image_size: int = Field(224, ge=16, le=1024, description="side of the network's input, px")
