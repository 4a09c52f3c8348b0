"""How strongly to change the grain of the colours: what that hides, and what it costs.

    python benchmarks/chroma_jitter.py FILLED WEIGHTS WORKDIR docs/benchmarks

FILLED is what `benchmarks/aid_lt_fill.py` writes: real and accepted synthetic images of AID-LT. For
each strength of `classifier.chroma_jitter` a head on frozen features is trained, three seeds an
arm, with the settings of docs/experiments.md, and judged on validation images alone; the test part
is not opened. Writes chroma_jitter.md.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import pandas as pd

from augment.measure.giveaway import HIGHEST_GIVE_AWAY
from classifier.config import ClassifierConfig
from classifier.study.selection import choose, predictions_of
from classifier.train.experiment import Experiment, trials_of
from classifier.train.training import train
from flows.settings.config import RunConfig
from flows.stages.catalogue import make_catalogue
from flows.stages.fidelity import give_aways
from terrabalance.bands import RGB
from terrabalance.device import pick_device
from terrabalance.files import write_text
from terrabalance.manifest import read_manifest
from terrabalance.progress import silent

STRENGTHS = (0.0, 0.25, 0.5, 1.0, 2.0)
SIDE_PX = 64
ARMS = (
    "real",
    "logit-adjustment",
    "synthetic-weighted",
    "synthetic-weighted+logit-adjustment",
)
HEAD = {
    "model": "tf_efficientnet_lite0", "frozen": True, "image_size": 160, "steps": 1500,
    "learning_rate": 1e-3, "batch_size": 64, "seeds": (0, 1, 2), "tries": 1, "arms": ARMS,
}  # fmt: skip


def balanced_accuracy(experiment: Experiment) -> dict[str, float]:
    """Return each arm's balanced accuracy on val, the mean over seeds."""
    for trial in trials_of(experiment.config):
        train(experiment, trial)
    said = predictions_of(experiment, choose(experiment), "val")
    said["hit"] = said["class"] == said["predicted"]
    recall = said.groupby(["arm", "seed", "class"])["hit"].mean()
    return recall.groupby("arm").mean().to_dict()


def row_of(experiment: Experiment) -> str:
    """Measure one strength."""
    strength = experiment.config.chroma_jitter
    probed = pd.DataFrame(give_aways(experiment.manifest, SIDE_PX, RGB, strength))["value"]
    hidden = f"{(probed <= HIGHEST_GIVE_AWAY).sum()} of {len(probed)}"
    scores = balanced_accuracy(experiment)
    row = f"| {strength:g} | {probed.mean():.2f} | {hidden} | " + " | ".join(
        f"{100 * scores[arm]:.1f}" for arm in ARMS
    )
    print(row, flush=True)
    return f"{row} |"


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("filled", "weights", "workdir", "out"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    config = RunConfig(
        data=given.filled / "images.csv", images=given.filled, workdir=given.workdir,
        classifier=ClassifierConfig(weights=given.weights, **HEAD),
    )  # fmt: skip
    manifest = read_manifest(make_catalogue(config, silent, synthetic=True))
    experiment = Experiment(
        manifest, config.classifier, SIDE_PX, pick_device("cpu"),
        given.workdir / "data" / "classifiers",
    )  # fmt: skip
    changed = (config.classifier.model_copy(update={"chroma_jitter": s}) for s in STRENGTHS)
    rows = [row_of(replace(experiment, config=each)) for each in changed]
    columns = " | ".join(f"`{arm}`" for arm in ARMS)
    text = f"""# How strongly to change the grain of the colours

AID-LT at {SIDE_PX} px: give-away (area under the curve of the probe, mean over
classes; how many are at {HIGHEST_GIVE_AWAY} or below), and balanced accuracy on validation images
in %, mean of three seeds, head on frozen features, one setting an arm. Test was not opened.

| `classifier.chroma_jitter` | give-away | within the bar | {columns} |
|---|---|---|{"---|" * len(ARMS)}
{chr(10).join(rows)}
"""
    write_text(given.out / "chroma_jitter.md", text)


if __name__ == "__main__":
    main()
