"""The lines of a dataset's card that load it, with our labels in every library.

Left to themselves the libraries number classes in different ways: torchvision sorts the folders of
each part by code point (so a class that a part lacks shifts all labels after it), timm sorts them
naturally and without case, Hugging Face by code point over all parts. The lines map labels by name.
"""

import json
from pathlib import PurePosixPath

import pandas as pd

from augment.dataset.layout import CLASS_MAP, class_folders
from terrabalance.manifest import SPLITS

_HUB_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_TIMM_READS = frozenset({".png", ".jpg", ".jpeg"})
_TORCHVISION_READS = _TIMM_READS | {".tif", ".tiff", ".webp"}
_OURS = """from terrabalance.dataset import TerraBalanceDataset

parts = {{part: TerraBalanceDataset(".", part) for part in {parts}}}
"""
_TORCHGEO = """from torch.utils.data import DataLoader
from torchgeo.datasets import stack_samples
from terrabalance.dataset import TerraBalanceSamples

parts = {{part: TerraBalanceSamples(".", part) for part in {parts}}}
batches = DataLoader(parts["{first}"], batch_size=32, collate_fn=stack_samples)
"""
_TORCHVISION = """from pathlib import Path
from torchvision.datasets import ImageFolder

names = Path("{class_map}").read_text().split()


class Labelled(ImageFolder):
    def find_classes(self, directory):
        return names, {{name: label for label, name in enumerate(names)}}

{more}
parts = {{part: Labelled(part, allow_empty=True{options}) for part in {parts}}}
"""
_TIMM = """{imports}
parts = {{
    part: create_dataset("", root=".", split=part, class_map="{class_map}")
    for part in {parts}
}}
"""
_HUGGING_FACE = """from pathlib import Path
from datasets import load_dataset

parts = load_dataset(str(Path.cwd()))  # "." is refused: the folder's name is the dataset's
"""
_SECTION = """## Loading it

`{class_map}` lists the class folders in label order: that of the class names. Run these lines in
the folder of this file; they give the same labels in every library and part. `ImageFolder` as it
is, timm without `class_map` and `load_dataset("imagefolder", data_dir=".")` do not: they number the
classes in orders of their own, and the last takes a class such as `train_station` for a split.
"""
MANIFEST_NOTE = """`manifest.parquet` and its twin `manifest.csv` have a row for each image:
`source` tells real from synthetic, `generator` and `seed` name what made a synthetic one. File
names of synthetic images begin with `synthetic_`.
"""


def loading_section(rows: pd.DataFrame) -> str:
    """Return the card's section on loading: a block of Python for each library.

    Each block, run in the dataset's folder, leaves the parts by name in `parts`.

    Args:
        rows: of the dataset's manifest.
    """
    there = [split for split in SPLITS if (rows["split"] == split).any()] or ["train"]
    facts = {"class_map": CLASS_MAP, "parts": json.dumps(there), "first": there[0]}
    blocks = {
        "terrabalance": _OURS.format(**facts),
        "TorchGeo": _TORCHGEO.format(**facts),
        "torchvision": _TORCHVISION.format(**facts, **_torchvision_options(rows)),
        "timm": _TIMM.format(**facts, imports=_timm_imports(rows)),
        "Hugging Face": _HUGGING_FACE,
    }
    shown = [f"{name}:\n\n```python\n{block}```\n" for name, block in blocks.items()]
    return "\n".join([_SECTION.format(**facts), *shown])


def _suffixes(rows: pd.DataFrame) -> set[str]:
    return {PurePosixPath(path).suffix.lower() for path in rows["path"]}


def _torchvision_options(rows: pd.DataFrame) -> dict[str, str]:
    """Return what makes torchvision take the dataset's other formats for images."""
    found = _suffixes(rows)
    if found <= _TORCHVISION_READS:
        return {"more": "", "options": ""}
    listed = "".join(f'"{suffix}", ' for suffix in sorted(found)).strip()
    more = f"\ndef is_image(path):\n    return path.lower().endswith(({listed}))\n\n"
    return {"more": more, "options": ", is_valid_file=is_image"}


def _timm_imports(rows: pd.DataFrame) -> str:
    """Return the imports, and what makes timm read the dataset's other formats."""
    found = _suffixes(rows) - _TIMM_READS
    if not found:
        return "from timm.data import create_dataset\n"
    listed = ", ".join(f'"{suffix}"' for suffix in sorted(found))
    imports = "from timm.data import add_img_extensions, create_dataset"
    return f"{imports}\n\nadd_img_extensions(({listed},))"


def hub_config(rows: pd.DataFrame) -> list[str]:
    """Return the lines of the card's front matter by which Hugging Face finds parts and labels."""
    lines = ["configs:", "- config_name: default", "  drop_labels: false", "  data_files:"]
    for split in SPLITS:
        if (rows["split"] == split).any():
            lines += [f"  - split: {_HUB_SPLITS[split]}", f'    path: "{split}/**"']
    lines += ["  features:", "  - name: image", "    dtype: image", "  - name: label"]
    lines += ["    dtype:", "      class_label:", "        names:"]
    for label, folder in enumerate(class_folders(rows["class"]).values()):
        # Quoted: a class may be called 10, yes or null.
        lines.append(f"          '{label}': {json.dumps(folder)}")
    return lines
