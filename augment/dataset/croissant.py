"""`croissant.json`: an assembled dataset described for machines, beside its card for people.

Croissant 1.1 (http://mlcommons.org/croissant/1.1) with the terms of GeoCroissant 1.0
(http://mlcommons.org/croissant/geo/1.0). What only a publisher knows (address, authors, date) is
left out. So are reference systems and places: synthetic images have none.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from augment.dataset.layout import class_folders
from augment.dataset.openings import ALL, Opening
from augment.dataset.real_parts import of_real_images
from terrabalance.files import sha256_of
from terrabalance.manifest import SPLITS, Manifest

CROISSANT = "croissant.json"
_CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/geo/1.0"]
_CROISSANT_TERMS = (
    "annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "excludes",
    "extract", "field", "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray",
    "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "readLines", "recordSet",
    "references", "regex", "repeated", "replace", "samplingRate", "sdVersion", "separator",
    "source", "subField", "transform", "unArchive", "value",
)  # fmt: skip
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "geocr": "http://mlcommons.org/croissant/geo/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _CROISSANT_TERMS},
}
_FORMATS = {
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".tif": "image/tiff",
    ".tiff": "image/tiff", ".webp": "image/webp",
    ".jp2": "image/jp2", ".jpx": "image/jpx",
}  # fmt: skip
_SPLIT_URLS = {
    "train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit",
}  # fmt: skip
# Not its twin manifest.csv: a class called 010 or NA would be read as a number or as nothing.
_TABLE = "manifest.parquet"
_COLUMNS = {  # of the table -> types, and what they say
    "class": (["sc:Text", "cr:Label"], "Name of the class."),
    "split": (["sc:Text"], "The part that the image belongs to."),
    "source": (["sc:Text"], "real, or synthetic: drawn by a diffusion model."),
    "sha256": (["sc:Text"], "SHA-256 of the file, hex."),
}
_REFERENCES = {
    "class": {"field": {"@id": "classes/name"}},
    "split": {"field": {"@id": "splits/name"}},
}
_NO_PLACE = "Synthetic images show no place on Earth; where the real ones were taken"


def croissant(
    manifest: Manifest, about: Mapping[str, object], openings: Sequence[Opening]
) -> dict[str, Any]:
    """Return the description of a dataset, which JSON can hold.

    Args:
        manifest: the dataset's own, with its files written below the root.
        about: as of the card; `name`, `notice`, `licence`, `source` and `sampling` are used.
        openings: how other programs open the images.
    """
    rows = manifest.usable()
    of_real = of_real_images(rows, about)
    made = int((rows["source"] == "synthetic").sum())
    names = next((opening.names for opening in openings if opening.names), ())
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS_TO,
        "name": str(about.get("name", "Balanced aerial images")),
        "description": _description(rows, made, about),
        **({"license": str(about["licence"])} if "licence" in about else {}),
        "keywords": ["remote sensing", "image classification"]
        + (["synthetic images"] if made else []),
        "geocr:samplingStrategy": _sampling_strategy(rows, of_real),
        "geocr:spatialBias": f"Not assessed. {_places(made, of_real)} is not stated here.",
        **_band_configuration(rows, names),
        "distribution": _distribution(manifest.root, rows),
        "recordSet": [_classes(rows), _splits(rows), _images(_are_given(rows, openings))],
    }


def _description(rows: pd.DataFrame, made: int, about: Mapping[str, object]) -> str:
    parts = [
        str(about["notice"]) if "notice" in about else "",
        f"{len(rows)} aerial images of {rows['class'].nunique()} classes, "
        + (f"{made} of them synthetic and in the training split alone" if made else "all real")
        + ". README.md says how they were made and how to load them.",
        f"Real images: {about['source']}" if "source" in about else "",
    ]
    return " ".join(part for part in parts if part)


def _places(made: int, of_real: str) -> str:
    if not made:
        return "Where the images were taken"
    return f"Each synthetic image {of_real}; where these were taken" if of_real else _NO_PLACE


def _sampling_strategy(rows: pd.DataFrame, of_real: str) -> str:
    made = rows[rows["source"] == "synthetic"]
    real = f"{len(rows) - len(made)} real images, as they were given"
    if made.empty:
        return f"{real}; none is synthetic."
    return (
        f"{real}; {len(made)} synthetic images, drawn by diffusion models that were trained on "
        f"real images of the training split, fill {made['class'].nunique()} of its classes"
        f"{f'; each {of_real}' if of_real else ''}."
    )


def _band_configuration(rows: pd.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    """Return GeoCroissant's description of the bands; empty where images differ in their number."""
    counts = set(rows["bands"])
    if len(counts) != 1:
        return {}
    count = int(counts.pop())
    numbered = [f"Band {band}" for band in range(1, count + 1)]
    listed = list(names) if len(names) == count and all(names) else numbered
    return {
        "geocr:bandConfiguration": {
            "@type": "geocr:BandConfiguration",
            "geocr:totalBands": count,
            # The specification and its vocabulary file call it differently.
            "geocr:bandNameList": listed,
            "geocr:bandNamesList": listed,
        }
    }


def _distribution(root: Path, rows: pd.DataFrame) -> list[dict[str, Any]]:
    suffixes = sorted({PurePosixPath(path).suffix for path in rows["path"]})
    splits = sorted(set(rows["split"]))
    formats = {_format_of(path) for path in rows["path"]}
    return [
        _file(root / _TABLE, "application/x-parquet"),
        _file(root / "manifest.csv", "text/csv", sameAs=_TABLE),
        {
            "@type": "cr:FileSet",
            "@id": "image-files",
            "name": "image-files",
            "description": "The images, as <split>/<class folder>/<file>.",
            "encodingFormat": sorted(formats),
            "includes": [f"{split}/*/*{suffix}" for split in splits for suffix in suffixes],
        },
    ]


def _format_of(path: str) -> str:
    return _FORMATS.get(PurePosixPath(path).suffix.lower(), "application/octet-stream")


def _file(path: Path, encoding: str, **more: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "description": "A row for each image.",
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": encoding,
        "sha256": sha256_of(path),
        **more,
    }


def _classes(rows: pd.DataFrame) -> dict[str, Any]:
    fields = {"name": "sc:Text", "folder": "sc:Text", "label": "sc:Integer"}
    return _record_set(
        "classes", "The classes in label order, that of class_map.txt.", "name",
        [_field("classes", name, data_type) for name, data_type in fields.items()],
        dataType="sc:Enumeration",
        data=class_records(rows["class"]),
    )  # fmt: skip


def class_records(classes: Iterable[str]) -> list[dict[str, Any]]:
    """Return what the description says of each class: its name, folder and label, by label."""
    return [
        {"classes/name": name, "classes/folder": folder, "classes/label": label}
        for label, (name, folder) in enumerate(class_folders(classes).items())
    ]


def _splits(rows: pd.DataFrame) -> dict[str, Any]:
    there = [split for split in SPLITS if (rows["split"] == split).any()]
    return _record_set(
        "splits", "Validation and test hold real images only.", "name",
        [_field("splits", "name", "sc:Text"), _field("splits", "url", "sc:URL")],
        dataType="cr:Split",
        data=[{"splits/name": name, "splits/url": _SPLIT_URLS[name]} for name in there],
    )  # fmt: skip


def _are_given(rows: pd.DataFrame, openings: Sequence[Opening]) -> bool:
    """Return whether mlcroissant gives the pixels of every image as they are in its file.

    It opens all files of a set by the first format of the set that it knows: JPEG and PNG with
    Pillow, as RGB of 8 bit. A TIFF it takes for fractions of 255; a set of other formats alone is
    an error.
    """
    formats = {_format_of(path) for path in rows["path"]}
    by_pillow = bool(formats & {"image/jpeg", "image/png"}) and "image/tiff" not in formats
    return by_pillow and bool(openings) and all(each.torchvision == ALL for each in openings)


def _images(with_pixels: bool) -> dict[str, Any]:
    columns = [
        _field(
            "images", column, types, description=description, source=_of_table(column),
            **({"references": _REFERENCES[column]} if column in _REFERENCES else {}),
        )
        for column, (types, description) in _COLUMNS.items()
    ]  # fmt: skip
    about_path = "Path of the image, relative to the dataset."
    if not with_pixels:  # of the table alone, as mlcroissant opens each file of a set that is used
        path = _field("images", "path", "sc:Text", description=about_path, source=_of_table("path"))
        return _record_set("images", "A record for each image.", "path", [path, *columns])
    # First, as mlcroissant makes only the first of several joins: that of files with their rows.
    path = _field(
        "images", "path", "sc:Text", description=about_path,
        source={**_of_files("fullpath"), "transform": {"regex": "(.*)"}},  # makes it a text
        references=_of_table("path"),
    )  # fmt: skip
    image = _field("images", "image", "sc:ImageObject", source=_of_files("content"))
    return _record_set("images", "A record for each image.", "path", [path, *columns, image])


def _of_files(fact: str) -> dict[str, Any]:
    return {"fileSet": {"@id": "image-files"}, "extract": {"fileProperty": fact}}


def _of_table(column: str) -> dict[str, Any]:
    return {"fileObject": {"@id": _TABLE}, "extract": {"column": column}}


def _record_set(
    name: str, description: str, key: str, fields: Sequence[Mapping[str, Any]], **more: Any
) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "key": {"@id": f"{name}/{key}"},
        **more,
        "field": list(fields),
    }


def _field(record_set: str, name: str, data_type: str | list[str], **more: Any) -> dict[str, Any]:
    head = {"@type": "cr:Field", "@id": f"{record_set}/{name}", "name": name}
    return {**head, "dataType": data_type, **more}
