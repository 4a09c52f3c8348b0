"""What an image file says of its own making: our text, and the XMP that other programs read.

XMP carries IPTC's digital source type, by which photo archives, search engines and editors tell
generated pictures from photographs: https://cv.iptc.org/newscodes/digitalsourcetype/
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from terrabalance.errors import UnreadableImage
from terrabalance.rasters.directories import open_tiff
from terrabalance.rasters.formats import format_in
from terrabalance.rasters.limits import check_file
from terrabalance.rasters.pictures import opened
from terrabalance.system_errors import pass_on_refusal

SYNTHETIC_KEY = "terrabalance:synthetic"  # in the text of every synthetic image
KEPT_KEY = "terrabalance:kept"  # likewise, where a part is of a real image: its side, as a share
REPAIRED_KEY = "terrabalance:filled"  # likewise of a repaired one: the share that was filled
ORIGINAL_KEY = "terrabalance:source"  # of a repaired one: name and SHA-256 of the real image
GENERATOR_KEY = "terrabalance:generator"  # of both: the name of the folder of what drew or filled
XMP_KEY = "XML:com.adobe.xmp"  # of a PNG's iTXt chunk
XMP_TAG = 700  # of a TIFF
_LONGEST_NAME = 255  # of a folder
_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_GENERATED, _COMPOSITE = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
    "<Iptc4xmpExt:DigitalSourceType>{}</Iptc4xmpExt:DigitalSourceType>"
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def xmp_of(text: Mapping[str, str]) -> str | None:
    """Return the XMP packet of an image with such text; None for one that no model has touched."""
    if text.get(SYNTHETIC_KEY) == "true":
        return _PACKET.format(_SOURCE_TYPE + (_COMPOSITE if KEPT_KEY in text else _GENERATED))
    return _PACKET.format(_SOURCE_TYPE + _COMPOSITE) if REPAIRED_KEY in text else None


def read_marks(path: Path) -> dict[str, str]:
    """Return the text of a PNG or TIFF that `terrabalance.images` wrote; {} if none.

    Reads headers only. The file may be called otherwise: content tells its format, as for
    `terrabalance.rasters.decode`.

    Raises:
        UnreadableImage: the file is damaged.
        OSError: the system did not give its bytes, see `pass_on_refusal`.
    """
    check_file(path)
    kind = format_in(path)
    try:
        if kind is not None and kind.name == "PNG":
            return {key: value for key, value in _png_text(path).items() if key != XMP_KEY}
        if kind is not None and kind.name == "TIFF":
            with open_tiff(path) as tiff:
                found = json.loads(tiff.pages.first.description)
            return {str(key): str(value) for key, value in found.items()}
    except (ValueError, AttributeError):  # another program's description
        return {}
    except UnreadableImage:
        raise
    except Exception as error:  # decoders raise many kinds for a damaged file
        pass_on_refusal(error, path)
        raise UnreadableImage(f"{path}: {error}") from error
    return {}


def read_source_type(path: Path) -> str | None:
    """Return the IPTC digital source type (`trainedAlgorithmicMedia`…) in the XMP of a PNG or TIFF.

    None where there is none. As for `read_marks`, the file's name does not count.

    Raises:
        UnreadableImage: the file is damaged.
        OSError: the system did not give its bytes, see `pass_on_refusal`.
    """
    check_file(path)
    kind = format_in(path)
    try:
        packet = ""
        if kind is not None and kind.name == "PNG":
            packet = _png_text(path).get(XMP_KEY, "")
        elif kind is not None and kind.name == "TIFF":
            with open_tiff(path) as tiff:
                tag = tiff.pages.first.tags.get(XMP_TAG)
                packet = bytes(tag.value).decode(errors="replace") if tag else ""
    except UnreadableImage:
        raise
    except Exception as error:  # decoders raise many kinds for a damaged file
        pass_on_refusal(error, path)
        raise UnreadableImage(f"{path}: {error}") from error
    # Not parsed as XML: a stranger's could be made to exhaust the parser.
    found = re.search(r"DigitalSourceType\W[^/]*" + re.escape(_SOURCE_TYPE[5:]) + r"(\w+)", packet)
    return found[1] if found else None


def is_marked_synthetic(path: Path) -> bool:
    """Return whether a PNG or TIFF carries the mark that terrabalance made it."""
    return read_marks(path).get(SYNTHETIC_KEY) == "true"


def repaired_from(marks: Mapping[str, str]) -> str | None:
    """Return the SHA-256 of the image that another is a repair of, as its marks say.

    None where they do not say that terrabalance filled a part of it, "" where not of which.
    """
    return marks.get(ORIGINAL_KEY, "").rpartition(" ")[2] if REPAIRED_KEY in marks else None


def generator_in(marks: Mapping[str, str]) -> str:
    """Return the name of what drew or filled an image, as its marks say; "" where they do not.

    It may be of a stranger: what a table could not hold is left out of it.
    """
    name = marks.get(GENERATOR_KEY, "")
    return "".join(filter(str.isprintable, name[:_LONGEST_NAME]))


def lost_marks(path: Path) -> list[str]:
    """Name the marks that a synthetic image should carry and does not.

    Raises:
        UnreadableImage: the file is damaged.
    """
    lost = [] if is_marked_synthetic(path) else [f"text {SYNTHETIC_KEY}"]
    is_told = read_source_type(path) in (_GENERATED, _COMPOSITE)
    return lost if is_told else [*lost, "XMP DigitalSourceType"]


def _png_text(path: Path) -> dict[str, str]:
    with opened(path, formats=("PNG",)) as image:
        return {str(key): value for key, value in image.info.items() if isinstance(value, str)}
