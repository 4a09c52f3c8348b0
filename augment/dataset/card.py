"""The dataset card: README.md of an assembled dataset, read by people and by Hugging Face."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from augment.dataset.layout import class_folders, lacking
from augment.dataset.loading import MANIFEST_NOTE, hub_config, loading_section
from augment.dataset.openings import Opening, section
from augment.dataset.real_parts import of_real_images
from augment.network.unlabelled import unlabelled_in
from terrabalance.manifest import Manifest
from terrabalance.markdown import escape_markdown

_NOT_SETTINGS = ("name", "notice", "source", "licence", "generators")
_FACTS = ("n_images", "steps", "images_seen", "parameters", "final_loss", "device", "precision")
_USE = """## Intended use and warnings

For training image classifiers, and for research on imbalanced data.

{of_synthetic}- Never choose by looking at `test`.
- Real images are hard links where the disk allows it: changing one in place changes the original.
  Copy the folder to another disk before editing it.
"""
_OF_SYNTHETIC = """- Images with source `synthetic` are the output of a diffusion model. {places}:
  do not measure, map or monitor anything on them, and do not pass them on as photographs.
- They add no new information about the ground: what the real training images of a class lack,
  they lack too, and an error of a label or a bias of selection is repeated.
- {likeness}
- `val` and `test` hold real images only. Keep it so: never move a synthetic image there.
"""

_NO_PLACE = "They show no place on Earth"
_MAY_RESEMBLE = (
    "They may resemble a training image; what holds for the rights in the real images may hold "
    "here."
)
_ARE_OF_REAL = (
    "What they show of training images is theirs: what holds for the rights in the real images "
    "holds here."
)


def dataset_card(
    manifest: Manifest, about: Mapping[str, object], openings: Sequence[Opening] = ()
) -> str:
    """Return the card of a dataset in Markdown with Hugging Face's YAML front matter.

    Args:
        manifest: the dataset's own; only its usable rows are counted.
        about: all optional. `name`: title; `notice`: a sentence that comes first; `source`,
            `licence`: sentences about the real images; `generators`: name of a generator's folder
            -> its `card.json`. All else is printed as JSON under "Settings".
        openings: how other programs open the images; empty: that is not said.

    Returns:
        The text of README.md. Names from outside are escaped for Markdown and YAML.
    """
    rows = manifest.usable()
    made = int((rows["source"] == "synthetic").sum())
    name = str(about.get("name", "Balanced aerial images"))
    generators, of_real = about.get("generators", {}), of_real_images(rows, about)
    parts = [
        _front_matter(name, rows, made),
        f"# {escape_markdown(name)}\n",
        f"> **{escape_markdown(about['notice'])}**\n" if "notice" in about else "",
        _summary(rows, made, about),
        _counts_table(rows),
        _gaps(rows),
        _generators(rows, generators if isinstance(generators, Mapping) else {}, of_real),
        _settings(about),
        loading_section(rows),
        section(openings),
        MANIFEST_NOTE,
        _use(made, of_real),
    ]
    return "\n".join(part for part in parts if part)


def _front_matter(name: str, rows: pd.DataFrame, made: int) -> str:
    # Every JSON string is a YAML string, so a name cannot add keys of its own.
    lines = ["---", f"pretty_name: {json.dumps(name)}", "task_categories:"]
    lines += ["- image-classification", "tags:", "- remote-sensing"]
    lines += ["- synthetic"] if made else []
    return "\n".join([*lines, *hub_config(rows), "---", ""])


def _summary(rows: pd.DataFrame, made: int, about: Mapping[str, object]) -> str:
    whole = f"{len(rows)} aerial images of {rows['class'].nunique()} classes"
    lines = [
        f"{whole}: {len(rows) - made} real, and {made} synthetic ones that fill the small classes "
        "of the training split. Made with terrabalance, which trains one diffusion model for each "
        "minority class.\n"
        if made
        else f"{whole}, all real. Made with terrabalance.\n"
    ]
    for key, label in (("source", "Real images"), ("licence", "Licence of the real images")):
        if key in about:
            lines.append(f"{label}: {escape_markdown(about[key])}\n")
    return "\n".join(lines)


def _counts_table(rows: pd.DataFrame) -> str:
    counts = rows.groupby(["class", "split", "source"]).size()
    lines = [
        "## Images per class\n",
        "| label | class | train, real | train, synthetic | val, real | test, real |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    keys = (("train", "real"), ("train", "synthetic"), ("val", "real"), ("test", "real"))
    for label, (name, folder) in enumerate(class_folders(rows["class"]).items()):
        where = "" if folder == name else f" (folder `{folder}`)"
        cells = " | ".join(str(counts.get((name, *key), 0)) for key in keys)
        lines.append(f"| {label} | {escape_markdown(name)}{where} | {cells} |")
    sums = (((rows["split"] == s) & (rows["source"] == o)).sum() for s, o in keys)
    return "\n".join([*lines, f"| | **all** | {' | '.join(map(str, sums))} |", ""])


def _gaps(rows: pd.DataFrame) -> str:
    """Return a warning of classes that a split lacks."""
    lines = []
    for split, missing in lacking(rows).items():
        names = ", ".join(map(escape_markdown, missing))
        lines.append(
            f"> **Split `{split}` has no image of {names}.** A loader that numbers the folders of "
            "each split by itself, as a plain `ImageFolder` does, gives wrong labels there. The "
            "lines below give the right ones.\n"
        )
    return "\n".join(lines)


def _use(made: int, of_real: str) -> str:
    if not made:
        return _USE.format(of_synthetic="")
    places = f"Each {of_real}, and shows no place as it is" if of_real else _NO_PLACE
    likeness = _ARE_OF_REAL if of_real else _MAY_RESEMBLE
    return _USE.format(of_synthetic=_OF_SYNTHETIC.format(places=places, likeness=likeness))


def _generators(rows: pd.DataFrame, cards: Mapping[str, Any], of_real: str) -> str:
    made = rows[rows["source"] == "synthetic"]
    if made.empty:
        return "## Synthetic images\n\nNone: every image is real.\n"
    lines = [
        "## How the synthetic images were made\n",
        f"{_trained_on(cards.values())} Each image is drawn from its own seed"
        f"{f', and {of_real}' if of_real else ''}.\n",
        "| class | generator | images drawn | what is known of it |",
        "|---|---|---:|---|",
    ]
    for (label, generator), count in made.groupby(["class", "generator"]).size().items():
        card = cards.get(generator, {})
        facts = ", ".join(f"{key} {card[key]}" for key in _FACTS if key in card)
        cells = (label, generator, count, facts)
        lines.append(f"| {' | '.join(map(escape_markdown, cells))} |")
    configs = {key: card["config"] for key, card in cards.items() if "config" in card}
    block = _json_block(configs) if configs else ""
    return "\n".join([*lines, "", block])


def _trained_on(cards: Collection[Mapping[str, Any]]) -> str:
    """Return what the models were trained on, as that may come back in their images."""
    records = (unlabelled_in(card) for card in cards)
    unlabelled = next((record for record in records if record is not None), None)  # of one base
    more = f" {escape_markdown(unlabelled.in_words())}" if unlabelled else ""
    if any(len(card.get("draws", ())) > 1 for card in cards):
        return (
            "One denoising diffusion model, conditioned on the class, trained on the real training "
            f"images of all classes.{more}"
        )
    bases = sorted({card["start"] for card in cards if card.get("start")})
    if not bases:
        alone = "" if unlabelled else " alone"
        return (
            "One denoising diffusion model a class, trained on the real training images of that "
            f"class{alone}.{more}"
        )
    names = ", ".join(map(escape_markdown, bases))
    began, those = "the real training images of all classes", "those"
    if unlabelled and not unlabelled.n_labelled:
        began, those = "unlabelled images alone", "the real training images"
    return (
        f"One denoising diffusion model a class: a base ({names}) that was trained on {began}, "
        f"trained further on {those} of that class.{more}"
    )


def _settings(about: Mapping[str, object]) -> str:
    rest = {key: value for key, value in about.items() if key not in _NOT_SETTINGS}
    return f"## Settings\n\n{_json_block(rest)}" if rest else ""


def _json_block(value: object) -> str:
    # JSON escapes line breaks, so no value can close the fence.
    return f"```json\n{json.dumps(value, indent=2, default=str)}\n```\n"
