"""Settings of the catalogue. Nothing here imports torch, so that a wrong one is told at once."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from augment.catalogue.patterns import LONGEST, checked_pattern
from terrabalance.settings import Settings

ClassFolder = Literal["auto", "top", "last"]


class ScanConfig(Settings):
    """Which images are used, with which bands, and which are near-duplicates."""

    min_side_px: int = Field(
        16, ge=1, le=65_536, description="shortest side of a used image, in pixels"
    )
    near_duplicate_bits: int = Field(
        6, ge=0, le=16, description="two images are near-duplicates when their 64-bit perceptual "
        "hashes differ in at most this many bits (always an even number), one of them turned or "
        "mirrored where need be, and they agree in small; near-duplicates stay in one part of the "
        "split",
    )  # fmt: skip
    group_by: str | None = Field(
        None, min_length=1, max_length=LONGEST,
        description="regular expression that is looked for in each path; what its first "
        "group finds (without a group: all that it finds) names the scene that an image was cut "
        "from, and images of one scene stay in one part of the split. none: only a CSV's column "
        "group says so",
    )  # fmt: skip
    place_distance: float | None = Field(
        0.0, ge=0, le=100_000_000, description="images whose footprints on the ground are at "
        "most this far apart stay in one part of the split, in the unit of their CRS (metres, or "
        "degrees); 0: those that overlap or touch; none: footprints are not looked at. Only files "
        "that carry a georeference have one",
    )  # fmt: skip
    class_folder: ClassFolder = Field(
        "auto", description="which folder names the class where folders lie in folders, parts of a "
        "split aside. top: the top one; last: the one that holds the image; auto: the top one, but "
        "refused where both may be classes",
    )  # fmt: skip
    max_invalid: float = Field(
        0.1, ge=0, le=1, description="largest share of an image that may hold no data (its "
        "declared no-data, NaN, what a mask or alpha covers); less is filled from beside it",
    )  # fmt: skip
    alpha: Literal["auto", "drop", "keep"] = Field(
        "auto", description="what becomes of a band that the files call alpha, as GDAL calls the "
        "fourth band of bytes. auto: kept as data where most files hold more than a mask there; "
        "drop: it masks the image and is no band; keep: it is a band",
    )  # fmt: skip
    odd_share: float = Field(
        0.05, ge=0, lt=0.5, description="up to this share of images whose bands or depth are not "
        "those of the others is left out, floats among whole numbers too; with more of them all "
        "are read as 8-bit RGB, floats and whole numbers as if of one unit",
    )  # fmt: skip

    @field_validator("group_by")
    @classmethod
    def _can_be_used(cls, pattern: str | None) -> str | None:
        return None if pattern is None else checked_pattern(pattern)


class SplitConfig(Settings):
    """Sizes of the validation and test parts; unused where the data brings its own split."""

    val: float = Field(0.2, gt=0, lt=1, description="fraction of each class in the part val")
    test: float = Field(0.2, gt=0, lt=1, description="fraction of each class in the part test")

    @model_validator(mode="after")
    def _leave_some_to_train(self) -> "SplitConfig":
        if self.val + self.test >= 1:
            raise ValueError(f"val {self.val:g} and test {self.test:g} leave nothing to train on")
        return self
