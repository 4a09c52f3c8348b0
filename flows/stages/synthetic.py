"""Draw a class's images until enough are accepted, or the budget ends."""

import logging
import math
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from augment.plan import ClassPlan
from augment.sample.layouts import usual_layout
from augment.sample.request import RealImages, SamplingRequest
from augment.sample.sampling import is_drawn, sample_class
from augment.screen.limits import FEWEST_TRAINED
from augment.screen.reviews import read_reviews
from augment.screen.rules.rule import Limits, Scores
from augment.screen.statuses import (
    screening_record,
    set_statuses,
    what_is_missing,
)
from classifier.network.features import Load
from flows.stages.class_images import images_of
from flows.stages.features import feature_network
from flows.stages.generators import generator_of
from flows.stages.run import Run
from flows.stages.screening import Screening, can_screen
from flows.store.result import find, make_once, require
from terrabalance.files import slug
from terrabalance.finished import done
from terrabalance.manifest import even_share, read_manifest
from terrabalance.progress import Progress, silent
from terrabalance.rasters.raster import Layout

_log = logging.getLogger(__name__)
_MOST_OTHERS = 1000  # images of other classes: enough to know how classes' spectra differ
_WORST_RATE = 0.1  # of acceptance, by which the number to draw next is guessed


def synthesize_class(run: Run, class_name: str, on_progress: Progress = silent) -> Path:
    """Draw and screen one class's images; return their folder.

    Draws as many as the class needs, screens them, and draws on until enough are accepted or
    `screening.most_draws` times as many are drawn. What is missing then is logged and recorded.
    Killed, it goes on: images that are there are not drawn again, changed or lost ones are.

    Raises:
        NotReady: the class's generator has not been trained.
        BadInput: the plan does not fill the class.
    """
    plan = run.plan_of(class_name)
    drawing = _Drawing(run, plan)
    images = replace(images_of(run, plan), is_made=drawing.has_ended)
    if not find(run.config, images):
        how = "Run `terrabalance train` with the same options first."
        require(run.config, drawing.generator, how)
        drawing.prepare(on_progress)
        make_once(run.config, images, drawing.draw, on_progress)
    record = screening_record(images.place)
    if record and (missing := what_is_missing(class_name, record)):
        _log.warning("%s", missing)
    _tell_reviews_left_behind(class_name, images.place)
    return images.place


def _tell_reviews_left_behind(class_name: str, folder: Path) -> None:
    """Say that people decided on images of the same generator that another folder holds."""
    drawn = done(folder)
    if drawn is None or read_reviews(folder):
        return
    for other in sorted(folder.parent.glob(f"{slug(class_name)}-*")):
        record = done(other) if other != folder else None
        is_like = record and all(record.get(k) == drawn.get(k) for k in ("class", "generator"))
        if is_like and (reviews := read_reviews(other)):
            _log.warning(
                "%s: %d decision(s) by eye on images of the same generator, in %s, do not count "
                "for this run: its target, sampling or screening is another. What was refused "
                "there may be among its images; `terrabalance review` decides on these.",
                class_name, len(reviews), other,
            )  # fmt: skip


class _Drawing:
    """The drawing of one class's images, round after round."""

    def __init__(self, run: Run, plan: ClassPlan) -> None:
        self._run, self._plan, self._folder = run, plan, run.names.synthetic(plan)
        self.generator = generator_of(run, plan.class_name)
        self._most = math.ceil(run.config.screening.most_draws * plan.n_needed)
        self._load_network: Load | None = None
        self._screening: Screening | None = None

    def has_ended(self) -> bool:
        """Return whether nothing more is to be drawn, and no image was changed or lost since."""
        record = screening_record(self._folder)
        return bool(record and record["ended"]) and is_drawn(self._folder, self._plan.n_needed)

    def prepare(self, on_progress: Progress) -> None:
        """Make sure of what screening needs, before devices are held."""
        if not self._run.config.screening.enabled or self._plan.n_train < FEWEST_TRAINED:
            return
        if can_screen(self._run):
            self._load_network = feature_network(self._run, on_progress)
        else:
            name = self._plan.class_name
            _log.warning("%s: not screened, one class alone sets no limits", name)

    def draw(self, devices: list[torch.device], on_progress: Progress) -> None:
        """Draw, screen, and draw on until enough are accepted or the budget ends."""
        needed, drawn = self._plan.n_needed, done(self._folder, {"n_images": int})
        n_images = min(self._most, max(needed, drawn["n_images"] if drawn else 0))
        while True:
            self._sample(n_images, devices[0], on_progress)
            record = screening_record(self._folder)
            if record is None or not record["ended"]:
                found, limit = self._scores(devices[0], on_progress)
                record = set_statuses(self._folder, needed, self._most, found, limit)
            if record["ended"]:
                return
            rate = max(_WORST_RATE, record["n_accepted"] / n_images)
            n_images = min(self._most, n_images + math.ceil(record["n_missing"] / rate))

    def _sample(self, n_images: int, device: torch.device, on_progress: Progress) -> None:
        config, name, catalogue = self._run.config, self._plan.class_name, self._run.catalogue

        def reals() -> np.ndarray:
            return self._run.patches(catalogue, catalogue.usable("train", name))

        def others() -> list[np.ndarray]:
            train = catalogue.usable("train")
            rows = even_share(train[train["class"] != name], _MOST_OTHERS)
            return [self._run.patches(catalogue, part) for _, part in rows.groupby("class")]

        request = SamplingRequest(
            generator=self.generator.place,
            class_name=name,
            n_images=n_images,
            config=config.sampling,
            seed=config.seed,
            folder=self._folder,
            device=device,
            run=config.run_name,
            layout=self._layout,
        )
        sample_class(request, RealImages(reals, others), on_progress)

    @cached_property
    def _layout(self) -> Layout | None:
        catalogue = self._run.catalogue
        rows = catalogue.usable("train", self._plan.class_name)
        return usual_layout(catalogue.paths(rows), self._run.bands)

    def _scores(
        self, device: torch.device, on_progress: Progress
    ) -> tuple[Scores | None, Limits | None]:
        """Score the images drawn so far; (None, None) where no rule can."""
        if self._load_network is None:
            return None, None
        if self._screening is None:
            self._screening = Screening(self._run, self._load_network(device), on_progress)
        made = read_manifest(self._folder)
        images = self._run.patches(made, made.frame.sort_values("path"))
        return self._screening.scores(self._plan.class_name, images)
