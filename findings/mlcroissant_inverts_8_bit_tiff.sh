#!/usr/bin/env bash
# mlcroissant turns the bytes of an 8-bit TIFF into their negative: 255 becomes 1, 0 stays 0.
#
# Expected: a Croissant description whose images are TIFF, a format that mlcroissant has a reader
#   for, gives the pixels of the files, as it does for PNG.
# What happens: the values are multiplied by 255 and cut to 8 bits, as if they were fractions of 1.
#   Of bytes that makes 256 - v. The image looks like its negative, and nothing is said.
# Versions: mlcroissant 1.1.1, tifffile 2026.3.3, Pillow 13.0.0, numpy 2.4.6, Python 3.11.
# Output seen:
#   written [255, 254, 200, 100, 1, 0], from PNG [255, 254, 200, 100, 1, 0], from TIFF [1, 2, 56, 156, 255, 0]
# Whom it hurts: publishers and users of remote-sensing data sets of TIFF, such as UC Merced, that
#   are loaded by their Croissant description: a network is trained on negatives, and one that was
#   trained on the files fails on them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  mlcroissant==1.1.1 tifffile==2026.3.3 pillow==13.0.0 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - "$folder" <<'PY'
import json
import logging
import sys
from pathlib import Path

import mlcroissant
import numpy as np
from PIL import Image

logging.disable(logging.WARNING)
VALUES = [255, 254, 200, 100, 1, 0]
SCHEMA, TERMS = "https://schema.org/", "http://mlcommons.org/croissant/"
CONTEXT = {
    "@language": "en", "@vocab": SCHEMA, "sc": SCHEMA, "cr": TERMS, "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{
        term: f"cr:{term}"
        for term in ("extract", "field", "fileProperty", "fileSet", "includes", "recordSet", "source")
    },
}


def loaded(suffix, encoding):
    """Write one grey image; return its values by way of its Croissant description."""
    folder = Path(sys.argv[1]) / suffix
    folder.mkdir()
    Image.fromarray(np.array([VALUES] * 6, np.uint8)).save(folder / f"0.{suffix}")
    content = {"fileSet": {"@id": "files"}, "extract": {"fileProperty": "content"}}
    field = {
        "@type": "cr:Field", "@id": "images/image", "name": "images/image",
        "dataType": "sc:ImageObject", "source": content,
    }
    (folder / "croissant.json").write_text(json.dumps({
        "@context": CONTEXT, "@type": "sc:Dataset", "name": "tiles",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "distribution": [{
            "@type": "cr:FileSet", "@id": "files", "name": "files", "encodingFormat": encoding,
            "includes": f"*.{suffix}",
        }],
        "recordSet": [
            {"@type": "cr:RecordSet", "@id": "images", "name": "images", "field": [field]}
        ],
    }))
    records = mlcroissant.Dataset(str(folder / "croissant.json")).records("images")
    image = np.asarray(next(iter(records))["images/image"])
    return image.reshape(6, 6, -1)[0, :, 0].tolist()


from_png, from_tiff = loaded("png", "image/png"), loaded("tif", "image/tiff")
print(f"written {VALUES}, from PNG {from_png}, from TIFF {from_tiff}")
assert from_png == VALUES
assert from_tiff == [(256 - v) % 256 for v in VALUES]
PY
echo "as described"
