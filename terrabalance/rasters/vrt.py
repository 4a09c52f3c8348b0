"""Which images a VRT reads."""

import re
from collections import Counter
from pathlib import Path

from terrabalance.errors import UnreadableImage
from terrabalance.rasters.formats import EXTENSIONS

_MOST_VRT_BYTES = 2**20
# What makes a VRT more than bands of files beside it: code, other servers, other documents, and
# brackets in attributes, behind which a name is not where it seems to be.
_FOREIGN = re.compile(
    r"(?i)PixelFunction|subClass|<!|/vsi|://|SourceDataset|OverviewFile"
    r"""|=\s*"[^"]*[<>]|=\s*'[^']*[<>]"""
)
_SOURCE = re.compile(r"(?i)<SourceFilename([^>]*)>([^<]*)<")  # GDAL takes any case


def vrt_sources(path: Path) -> Counter[Path]:
    """Return the images of a VRT, and how often it reads each.

    Raises:
        UnreadableImage: it reads anything but images in its own folder, whatever these are called.
    """
    with path.open("rb") as file:
        text = file.read(_MOST_VRT_BYTES + 1).decode(errors="replace")
    found = _SOURCE.findall(text)
    names = Counter(name for _, name in found)
    sound = len(text) <= _MOST_VRT_BYTES and not _FOREIGN.search(text)
    if not (sound and all(map(_is_beside, found))):
        raise UnreadableImage(
            f"{path}: a VRT of more than images in its own folder. Convert it: gdal_translate IN "
            "OUT.tif."
        )
    return Counter({path.with_name(name): times for name, times in names.items()})


def _is_beside(source: tuple[str, str]) -> bool:
    how, name = source
    file = Path(name)
    plain = not set(name) & set("/\\:&")  # & begins what stands for another letter
    suffix = file.suffix.lower()
    return plain and 'relativeToVRT="1"' in how and suffix in EXTENSIONS and suffix != ".vrt"
