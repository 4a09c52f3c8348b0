"""A run: its settings, and what follows from them, each found once and read through it."""

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from augment.plan import ClassPlan, plan_classes
from augment.screen.statuses import screening_record
from flows.settings.config import RunConfig
from flows.stages.catalogue import make_catalogue, read_catalogue
from flows.stages.comparable import NOTHING_FILLED, ONE_CLASS, why_nothing_to_compare
from flows.stages.unlabelled import UnlabelledImages, list_unlabelled
from flows.store import paths
from flows.store.bands import bands_of
from flows.store.held_out import refuse_held_out
from flows.store.names import Names
from flows.store.near_held_out import refuse_near_held_out
from flows.store.originals import with_originals
from flows.store.pinned_base import identity_of, pinned_base
from terrabalance.bands import Bands
from terrabalance.errors import BadInput
from terrabalance.images import read_patches
from terrabalance.manifest import Manifest, count_by_class
from terrabalance.progress import Progress, silent
from terrabalance.wording import listed


class Run:
    """A run in this process. What it has found does not change while it lives.

    Every property may raise what finding it may: BadInput for data or settings that cannot be
    used, NotReady for what another command has to make, StoreUnreachable.

    Args:
        config: the settings.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self._unlabelled: UnlabelledImages | None = None

    @cached_property
    def catalogue_folder(self) -> Path:
        """The folder of the catalogue, which is made where it is missing."""
        return make_catalogue(self.config)

    @cached_property
    def catalogue(self) -> Manifest:
        """The real images."""
        manifest = read_catalogue(self.config, self.catalogue_folder)
        return with_originals(self.config, self.catalogue_folder, manifest)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Usable images of the train part by class."""
        return {str(name): int(n) for name, n in count_by_class(self.catalogue, "train").items()}

    @cached_property
    def class_plans(self) -> list[ClassPlan]:
        """What each class has and gets, rarest first."""
        return plan_classes(self.counts, self.config.plan)

    @property
    def filled(self) -> list[ClassPlan]:
        """The classes that get synthetic images, rarest first."""
        return [plan for plan in self.class_plans if plan.n_needed]

    @property
    def why_not_compared(self) -> str | None:
        """Why this run has no classifiers to compare, in a sentence; None: it has.

        Before its images are drawn and screened, only what the plan says is known.
        """
        if not self.filled:
            return NOTHING_FILLED
        if len(self.class_plans) == 1:
            return ONE_CLASS
        records = [screening_record(self.names.synthetic(plan)) for plan in self.filled]
        screened = [record for record in records if record is not None]
        return why_nothing_to_compare(screened) if len(screened) == len(records) else None

    def plan_of(self, class_name: str) -> ClassPlan:
        """Return what a class gets.

        Raises:
            BadInput: the plan does not fill it.
        """
        plans = {plan.class_name: plan for plan in self.filled}
        if class_name not in plans:
            raise BadInput(
                f"{class_name!r} is not filled by this plan, which fills {listed(list(plans))}."
            )
        return plans[class_name]

    @cached_property
    def bands(self) -> Bands:
        """How the images are read."""
        return bands_of(self.config, self.catalogue, self._pinned and self._pinned[0])

    def patches(self, manifest: Manifest, rows: pd.DataFrame) -> np.ndarray:
        """Return images of a manifest as the generators see them: (N, C, H, W) levels."""
        return read_patches(manifest.unchanged(rows), self.config.generator.image_size, self.bands)

    @cached_property
    def names(self) -> Names:
        """The folders of the results."""
        unlabelled = None if self.unlabelled is None else self.unlabelled.manifest
        return Names(self.config, self.catalogue, self.bands, self._pinned, unlabelled)

    @property
    def unlabelled(self) -> UnlabelledImages | None:
        """The images without labels that the base learns too; None: there are none."""
        return self.list_unlabelled()

    def list_unlabelled(self, on_progress: Progress = silent) -> UnlabelledImages | None:
        """Return `unlabelled`, with progress where the images are looked at for the first time."""
        if self._unlabelled is None and self.config.base.images is not None:
            self._unlabelled = list_unlabelled(self.config, self.bands, self.catalogue, on_progress)
        return self._unlabelled

    @cached_property
    def _pinned(self) -> tuple[Path, str] | None:
        """Folder and identity of the base that the settings name."""
        if self.config.base_from is None:
            return None
        base = pinned_base(self.config)
        refuse_held_out(base, self.catalogue)
        refuse_near_held_out(self.config, base, self.catalogue)
        return base, identity_of(self.config, base)

    @property
    def report_folder(self) -> Path:
        """The folder of plan, comparison and report."""
        return paths.report_folder(self.config)

    @cached_property
    def catalogued(self) -> RunConfig:
        """The same settings with the finished catalogue in place of the data.

        A process that gets them scans nothing again: the data may not be on its machine, and ten
        million files take long.
        """
        return self.config.model_copy(update={"catalogue": self.catalogue_folder.name})

    @property
    def on_other_machines(self) -> RunConfig:
        """The catalogued settings of a job, which runs locally wherever it is done."""
        here = self.config.execution.model_copy(update={"runner": "local"})
        return self.catalogued.model_copy(update={"execution": here})
