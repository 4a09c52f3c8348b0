"""The card of an exported classifier: what it is worth, its limits, and the lines that load it."""

import json
from collections.abc import Mapping
from typing import Any

from classifier.arms.arm import BASELINE
from classifier.arms.registry import arm_of
from classifier.compare.comparison import difference_of
from classifier.compare.recommendation import in_words, setting_in_words
from classifier.export.choice import Chosen
from classifier.export.network import Network
from terrabalance import __version__
from terrabalance.markdown import escape_markdown, markdown_table
from terrabalance.page import signed
from terrabalance.sizes import describe_size, height_width

_CARD = """---
library_name: timm
pipeline_tag: image-classification
tags:
- remote-sensing
---

# {title}

Classifies images into {n_classes} classes. Architecture `{model}` of timm, trained by terrabalance
{version} in the comparison {report}, arm `{arm}`, seed {seed}.

{how}. {synthetic}

## What it is worth

{figures}
Measured on {n_test:,} {kind} test images, which no training and no choice has seen, and which
{openings} read so far. {each}
All hold for images like those that it was trained on, reduced as below.

## Use it

In this folder, with timm, safetensors, torch and Pillow. The code prints the class of one image:

```python
{code}
```

Each image is cut to the shape of {size} around its middle and reduced to it first, as in training;
do the same with larger ones. It takes images of 8 bit, in colour or grey. The logits are those of
the arm: a correction for rare classes is in the bias of the last layer.{roots} Newer versions of
timm load the same network by `timm.create_model("local-dir:.", pretrained=True)`.

## Classes

{classes}
## Limits

- It knows these classes only, and gives one of them to any image.
- Its confidence is no probability of being right: see the calibration error (ECE) of the report.
- Computed in float32. Where the comparison has computed in bf16, its logits differ by rounding.
- {licence} The training images have terms of their own, which may hold for it as well.
"""
_CODE = """import json, sys
import numpy, timm, torch
from PIL import Image, ImageOps
from safetensors.torch import load_file

config = json.load(open("config.json", encoding="utf-8"))
model = timm.create_model(config["architecture"], num_classes={n_classes}, **config["model_args"])
model.load_state_dict(load_file("model.safetensors"))
{roots}image = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
scale = min(image.width / {width}, image.height / {height})
wide, high = round({width} * scale), round({height} * scale)
left, top = (image.width - wide) // 2, (image.height - high) // 2
box = (left, top, left + wide, top + high)
image = image.resize(({width}, {height}), Image.Resampling.LANCZOS, box=box)
x = torch.tensor(numpy.array(image)).permute(2, 0, 1)[None] / 255
x = torch.nn.functional.interpolate(x, ({side}, {side}), mode="bicubic", antialias=True).clamp(0, 1)
mean, std = (torch.tensor(config["pretrained_cfg"][key]).view(3, 1, 1) for key in ("mean", "std"))
with torch.inference_mode():
    logits = model.eval()((x - mean) / std)[0]
print(config["label_names"][int(logits.argmax())])"""
_ROOTS = """# The last layer takes the roots of the features.
model.get_classifier().register_forward_pre_hook(lambda _, x: x[0].abs().sqrt().copysign(x[0]))
"""
_ROOTS_NOTE = (
    " That layer takes the square roots of the features, with their signs, as it was trained; no "
    "layer of timm does, so the code adds a hook."
)


def readme(network: Network, chosen: Chosen, record: Mapping[str, Any], name: str) -> str:
    """Return the text of README.md, in Markdown with Hugging Face's YAML front matter.

    Args:
        network: that is exported.
        chosen: the arm that reads it.
        record: of the comparison.
        name: of its report.
    """
    card, arm = network.card, arm_of(chosen.arm)
    uses = arm.generative and chosen.setting.share > 0
    n_openings = record["n_openings"]
    comparisons = "1 comparison has" if n_openings == 1 else f"{n_openings} comparisons have"
    setting, trained = setting_in_words(chosen.setting, uses), in_words(arm, uses, "Trained")
    counts = zip(card.classes, range(len(card.classes)), card.n_train, strict=True)
    return _CARD.format(
        title=escape_markdown(f"{card.config.model}, {name}"),
        n_classes=len(card.classes), model=card.config.model, version=__version__,
        report=escape_markdown(name), arm=chosen.arm, seed=chosen.seed,
        how=f"{trained} ({setting})" if setting else trained,
        synthetic="Synthetic images were among its training images."
        if uses else "No synthetic image was used.",
        figures=_figures(chosen.arm, record), each=_each(chosen, record),
        n_test=record["n_test"], kind=record["test_kind"],
        openings=comparisons,
        code=example(network), size=describe_size(card.resolution),
        roots=_ROOTS_NOTE if network.takes_roots else "",
        classes=markdown_table(["Class", "label", "training images"], [*map(list, counts)]),
        licence=_licence(network),
    )  # fmt: skip


def example(network: Network) -> str:
    """Return the Python that classifies one image without terrabalance."""
    height, width = height_width(network.card.resolution)
    return _CODE.format(
        n_classes=len(network.card.classes),
        roots=_ROOTS if network.takes_roots else "",
        height=height,
        width=width,
        side=network.card.config.image_size,
    )


def _figures(arm: str, record: Mapping[str, Any]) -> str:
    level, metrics = record["levels"][arm], record["metrics"][arm]
    rows = [["Balanced accuracy, %", f"{100 * level['mean']:.1f}", _range(level, "{:.1f}".format)]]
    gain = difference_of(record, arm, BASELINE)
    if gain:
        points = gain["balanced_accuracy"]
        rows.append(
            ["To plain training, points", signed(100 * points["mean"]), _range(points, signed)]
        )
    for name, label in (("macro_f1", "Macro F1, %"), ("accuracy", "Accuracy, %")):
        rows.append(
            [label, f"{100 * metrics[name]['mean']:.1f}", f"± {100 * metrics[name]['std']:.1f}"]
        )
    return markdown_table(["On test", "mean", "95 % interval, or ± over seeds"], rows)


def _each(chosen: Chosen, record: Mapping[str, Any]) -> str:
    """Say of how many trainings the figures are, and which are those of this one by itself."""
    n_seeds = len(record["seeds"])
    if n_seeds == 1:
        return "They are those of this one training."
    return (
        f"These are means over {n_seeds} trainings of this arm with different seeds. This one by "
        f"itself has {_alone(chosen, record)}."
    )


def _alone(chosen: Chosen, record: Mapping[str, Any]) -> str:
    """Return the figures of the training itself, which is chosen by that on validation."""
    at = record["seeds"].index(chosen.seed)
    score = record["metrics"][chosen.arm]["balanced_accuracy"]["per_seed"][at]
    if not record["val_per_seed"]:
        return f"{100 * score:.1f} % balanced accuracy"
    val = record["val_per_seed"][chosen.arm][at]
    return f"{100 * score:.1f} % balanced accuracy ({100 * val:.1f} % on validation images)"


def _range(change: Mapping[str, float], show: Any) -> str:
    return f"{show(100 * change['low'])} to {show(100 * change['high'])}"


def _licence(network: Network) -> str:
    config = network.card.config
    if config.weights is not None:
        return (
            "terrabalance sets no licence. It started from a file of weights with terms of its own."
        )
    if config.pretrained:
        terms = json.dumps(network.source.get("license") or "not stated")
        return f"terrabalance sets no licence. It started from timm's weights (licence: {terms})."
    return "terrabalance sets no licence. It was trained from random weights."
