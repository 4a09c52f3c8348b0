"""The folders of a run's results, each named by a hash of all that decides it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from augment.catalogue.entries import Source
from augment.config import NOT_RESULT, TrainingConfig
from augment.plan import ClassPlan
from augment.screen.limits import limits_key
from augment.screen.rules import rules_key
from classifier.config import CHOICES
from classifier.feature_network import TRAINED_HERE
from flows.settings.config import RunConfig
from flows.store import paths
from terrabalance.bands import Bands
from terrabalance.contents import contents
from terrabalance.files import content_of, fingerprint, slug
from terrabalance.manifest import Manifest

# Raise when a stage's files would come out different for the same settings.
FORMAT = 10
# Raise when only a scan would: where it lists the same images as before, all else is found again.
_SCAN_FORMAT = 1


def catalogue_folder(config: RunConfig, source: Source) -> Path:
    """Return the folder of a source's catalogue; a changed file makes another source."""
    settings = [config.scan.key(), config.split.key(), config.seed]
    listing = _listed(source)
    key = fingerprint(FORMAT, _SCAN_FORMAT, str(source.root), listing, settings)
    stem = slug(config.data.name.split(".")[0])
    return paths.catalogues_folder(config) / f"{stem}-{key}"


def unlabelled_folder(
    config: RunConfig, source: Source, bands: Bands | None, held_out: pd.DataFrame | None
) -> Path:
    """Return the folder of the list of a source's images without labels.

    Args:
        config: of the run.
        source: of the images.
        bands: in which the run reads images; None: these alone decide them.
        held_out: rows of the images that the run holds out; None: it has none.
    """
    kind = None if bands is None else [bands.count, bands.is_rgb, bands.dtype == "uint8"]
    kept_out = None if held_out is None else list(held_out["split"] + " " + contents(held_out))
    key = fingerprint(
        FORMAT, _SCAN_FORMAT, "unlabelled", str(source.root), _listed(source), config.scan.key(),
        kind, kept_out,
    )  # fmt: skip
    return paths.catalogues_folder(config) / f"unlabelled-{key}"


def prior_folder(config: RunConfig, bands: Bands, unlabelled: Manifest) -> Path:
    """Return the folder of a base of images without labels alone."""
    settings = [config.generator.key(), asdict(bands), config.base.loop.key(NOT_RESULT)]
    images = sorted(contents(unlabelled.usable()))
    key = fingerprint(FORMAT, "prior", settings, config.seed, images)
    return paths.generators_folder(config) / f"prior-{key}"


def _listed(source: Source) -> list[tuple[object, ...]]:
    """Return what tells a source from another one: its entries, with size and time of each file."""
    return [
        (
            entry.path, entry.class_name, entry.split, entry.source, entry.group,
            *_facts(source.root, entry.path),
            # Nothing is added for most, so that what was made of them before is found again.
            *((name, *_facts(source.root, name)) for name in entry.beside),
        )
        for entry in source.entries
    ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Names:
    """Folders of what is made of a catalogue by a run's settings.

    Attributes:
        config: of the run.
        catalogue: the real images.
        bands: how they are read.
        pinned: folder and identity of the base that the run names; None: it names none.
        unlabelled: images without labels that the base learns too; None: there are none.
    """

    config: RunConfig
    catalogue: Manifest
    bands: Bands
    pinned: tuple[Path, str] | None = None
    unlabelled: Manifest | None = None

    @cached_property
    def base(self) -> Path | None:
        """The generator of all classes; None where every class starts from random weights."""
        if self.pinned is not None:
            return self.pinned[0]
        rows = self.catalogue.usable("train")
        shared = rows["class"].nunique() > 1 or (len(rows) > 0 and self.unlabelled is not None)
        if self.config.strategy == "scratch" or not shared:
            return None
        images = sorted(zip(rows["class"], contents(rows), strict=True))
        spec = self._spec(self.config.base.loop, self.catalogue.usable("val"))
        more = [] if self.unlabelled is None else [sorted(contents(self.unlabelled.usable()))]
        key = fingerprint(FORMAT, "base", spec, images, *more)
        return paths.generators_folder(self.config) / f"base-{key}"

    @property
    def _base_identity(self) -> str | None:
        """What decides the base, for the names of what starts from it."""
        if self.pinned is not None:
            return self.pinned[1]
        return None if self.base is None else self.base.name

    @cached_property
    def baseline(self) -> Path:
        """The classifier, trained on real images alone, whose features measure fidelity."""
        images = _listing(self.catalogue.usable("train"))
        settings = self.config.classifier.key((CHOICES | {"frozen"}) - {"weights"})
        size = self.config.generator.image_size
        key = fingerprint(FORMAT, "baseline", size, asdict(self.bands), settings, images)
        return paths.classifiers_folder(self.config) / f"baseline-{key}"

    def generator(self, class_name: str) -> Path:
        """Return the generator of a class; with `strategy=conditional` the base."""
        if self.base is not None and self.config.strategy == "conditional":
            return self.base
        rows = self.catalogue.usable("train", class_name)
        spec = self._spec(self.config.training, self.catalogue.usable("val", class_name))
        images = list(contents(rows))
        key = fingerprint(FORMAT, class_name, spec, self._base_identity, images)
        return paths.generators_folder(self.config) / f"{slug(class_name)}-{key}"

    def synthetic(self, plan: ClassPlan) -> Path:
        """Return the synthetic images of a class."""
        config, screening = self.config, self.config.screening
        decided_by: list[Any] = [screening.key()]
        if screening.enabled:
            decided_by += [self._feature_network(), *self._parts.values(), *self._limits_key]
        elif config.sampling.match_spectrum or config.sampling.colours == "class":
            # The images of other classes help to estimate spectra.
            decided_by.append(self._parts["train"])
        generator = self.generator(plan.class_name).name
        key = fingerprint(FORMAT, generator, config.sampling.key(), plan.n_needed, decided_by)
        return paths.synthetic_folder(config) / f"{slug(plan.class_name)}-{key}"

    def uses(self, plans: Sequence[ClassPlan]) -> Iterator[tuple[str, Path]]:
        """Yield what draws the images of `plans`: the part of the run, and its folder."""
        if self.base is not None:
            yield "base", self.base
        if self.config.fidelity.model == TRAINED_HERE:
            yield "baseline", self.baseline
        for plan in plans:
            yield f"generator {plan.class_name}", self.generator(plan.class_name)

    def screening(self, network_key: str) -> Path:
        """Return the file of the fitted screening.

        Args:
            network_key: of the feature network.
        """
        rows = [self.catalogue.usable(split) for split in ("train", "val")]
        key = fingerprint(
            FORMAT, network_key, self.config.generator.image_size, asdict(self.bands),
            self.config.screening.refuse_real,
            *(list(contents(part) + part["class"]) for part in rows), *rules_key(),
            *self._limits_key,
        )  # fmt: skip
        return paths.screeners_folder(self.config) / f"{key}.safetensors"

    def _spec(self, training: TrainingConfig, held_out: pd.DataFrame) -> list[Any]:
        evaluated = [_listing(held_out), self._feature_network()] if training.evaluations else []
        loop = training.key(NOT_RESULT)
        generator = self.config.generator.key()
        return [generator, asdict(self.bands), loop, self.config.seed, evaluated]

    def _feature_network(self) -> list[Any]:
        """What decides the features by which images are evaluated and screened."""
        network = self.config.fidelity
        if network.model == TRAINED_HERE:
            return [network.image_size, self.baseline.name]
        weights = "hub" if network.weights is None else content_of(network.weights)
        return [network.model, network.image_size, weights]

    @cached_property
    def _limits_key(self) -> list[str]:
        rows = (self.catalogue.usable(split) for split in ("train", "val"))
        return limits_key(*(part["class"].value_counts().to_dict() for part in rows))

    @cached_property
    def _parts(self) -> dict[str, str]:
        # Hashed once: with ten million rows and a thousand classes, a hash a class takes hours.
        usable = {split: self.catalogue.usable(split) for split in ("train", "val")}
        return {split: fingerprint(_listing(rows), length=32) for split, rows in usable.items()}


def _facts(root: Path, name: str) -> tuple[int, int]:
    """Return size and time of a file, of a link to nothing its own."""
    path = root / name
    try:
        facts = path.stat()
    except OSError:
        facts = path.lstat()
    return facts.st_size, facts.st_mtime_ns


def _listing(rows: pd.DataFrame) -> list[str]:
    return sorted(rows["class"] + " " + contents(rows))
