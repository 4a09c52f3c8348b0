"""What the card of a generator says of images without labels that it, or its base, has learned."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from augment.network.card import read_card_as

_Number = Annotated[int, Field(ge=0)]


class UnlabelledRecord(BaseModel):
    """A part of a card; it may come from strangers.

    Attributes:
        folder: name of the folder or archive of the images.
        source, licence: as the user gave them; None: not given.
        n_listed: images in the folder.
        n_learned: of them, images that were learned.
        n_labelled: images with a label that were learned beside them.
        near_held_out: part of the run -> images of the folder that were kept out, as they are
            nearly the same picture as one of that part; None: they were compared with no data.
        left_out: why else -> images of the folder that cannot be learned.
    """

    model_config = ConfigDict(frozen=True)

    folder: str
    source: str | None
    licence: str | None
    n_listed: _Number
    n_learned: _Number
    n_labelled: _Number
    near_held_out: dict[str, _Number] | None
    left_out: dict[str, _Number]

    def in_words(self) -> str:
        """Return one or two sentences for people; what strangers wrote is not escaped."""
        beside = "Beside the training images, the base learned" if self.n_labelled else (
            "The base learned no training images of this data, but"
        )  # fmt: skip
        facts = [f"{name}: {text}" for name, text in self._told() if text is not None]
        told = "; ".join(facts) or "source and licence not given"
        learned = f"{beside} {self.n_learned:,} unlabelled images of {self.folder} ({told})."
        if self.near_held_out is None:
            return learned
        kept = ", ".join(f"{part} ({n:,})" for part, n in self.near_held_out.items() if n)
        if not kept:
            return f"{learned} None of that folder is nearly the same picture as a held-out image."
        n_kept = sum(self.near_held_out.values())
        return (
            f"{learned} {n_kept:,} of that folder were kept out, as nearly the same picture is "
            f"held out, in {kept}."
        )

    def _told(self) -> tuple[tuple[str, str | None], ...]:
        return ("source", self.source), ("licence", self.licence)


def unlabelled_in(card: Mapping[str, Any]) -> UnlabelledRecord | None:
    """Return what a card says of images without labels; None: nothing that can be read."""
    try:
        return UnlabelledRecord.model_validate(card.get("unlabelled"))
    except ValidationError:
        return None


class _Card(BaseModel):
    unlabelled: UnlabelledRecord | None = None


def read_unlabelled(folder: Path) -> UnlabelledRecord | None:
    """Return what a finished generator's card says of images without labels; None: nothing.

    Raises:
        NotReady, BadInput: as of `augment.network.card.read_card_as`.
    """
    return read_card_as(_Card, folder, "Name another base, or train one.").unlabelled
