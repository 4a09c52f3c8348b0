"""The formats of images: how their files are called, how they begin, and what lies beside them."""

from dataclasses import dataclass
from pathlib import Path, PurePath

from terrabalance.errors import UnreadableImage
from terrabalance.system_errors import pass_on_refusal


@dataclass(frozen=True)
class Format:
    """A format of images.

    Attributes:
        name: as people call it.
        suffixes: of its files, in lower case.
        beginnings: any of these bytes begins a file of it; empty: it has no such mark.
        needs_gdal: whether it is read through rasterio, the extra `terrabalance[geo]`.
    """

    name: str
    suffixes: tuple[str, ...]
    beginnings: tuple[bytes, ...] = ()
    needs_gdal: bool = False


FORMATS = (
    Format("JPEG", (".jpg", ".jpeg"), (b"\xff\xd8\xff",)),
    Format("PNG", (".png",), (b"\x89PNG",)),
    Format("TIFF", (".tif", ".tiff"), (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    Format("WebP", (".webp",), (b"RIFF",)),
    Format(
        "JPEG 2000",
        (".jp2", ".j2k", ".jpx"),
        (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
        needs_gdal=True,
    ),
    Format("NITF", (".ntf", ".nitf"), (b"NITF", b"NSIF"), needs_gdal=True),
    Format("ENVI", (".dat", ".img", ".bsq", ".bil", ".bip"), needs_gdal=True),
    # After ENVI, whose files begin with pixels: `.img` without this beginning is ENVI's.
    Format("ERDAS Imagine", (".img",), (b"EHFA_HEADER_TAG",), needs_gdal=True),
    Format("VRT", (".vrt",), (b"<VRTDataset",), needs_gdal=True),
)
EXTENSIONS = frozenset(suffix for each in FORMATS for suffix in each.suffixes)
READ_BY_GDAL = tuple(suffix for each in FORMATS if each.needs_gdal for suffix in each.suffixes)
LONGEST_BEGINNING = 16  # bytes by which a file is told
BEGINNINGS = tuple(beginning for each in FORMATS for beginning in each.beginnings)

# What GDAL, QGIS and world files put beside an image; `.msk` and `.ovr` follow the whole name.
_SIDE_SUFFIXES = frozenset({
    ".ovr", ".msk", ".hdr", ".tfw", ".tifw", ".jgw", ".jpgw", ".pgw", ".pngw", ".j2w", ".wld",
    ".prj", ".imd", ".rpb", ".rrd", ".qgz", ".qml",
})  # fmt: skip
# These may as well be files of their own.
_SIDE_OR_OTHER = (".tab", ".aux", ".xml", ".ige")
_SIDE_ENDS = (*_SIDE_SUFFIXES, *_SIDE_OR_OTHER)
# What holds pixels, their layout, no-data or a mask of images that GDAL reads.
_DECIDE_BY_STEM = (".hdr", ".aux", ".ige")
_DECIDE_BY_NAME = (".hdr", ".aux", ".aux.xml", ".msk")


def format_of(path: PurePath) -> Format | None:
    """Return the format that a file's name tells; None: not that of an image."""
    suffix = path.suffix.lower()
    return next((each for each in FORMATS if suffix in each.suffixes), None)


def format_that_begins(beginning: bytes) -> Format | None:
    """Return the format whose files begin so; None: none does, as ENVI's begin with pixels."""
    return next((each for each in FORMATS if beginning.startswith(each.beginnings)), None)


def format_in(path: Path) -> Format | None:
    """Return the format of a file: by how it begins, and by its name only where that tells none.

    Raises:
        UnreadableImage: the file is gone, or is a folder.
        OSError: the system did not give its bytes, see `pass_on_refusal`.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(LONGEST_BEGINNING)
    except OSError as error:
        pass_on_refusal(error, path)
        raise UnreadableImage(f"{path}: {error.strerror}") from error
    return format_that_begins(beginning) or format_of(path)


def is_side_file(path: PurePath) -> bool:
    """Return whether a file belongs to an image beside it, by its name."""
    known = path.suffix.lower() in _SIDE_SUFFIXES
    return known or path.name.lower().endswith((".aux.xml", "_rpc.txt"))


def may_be_side_file(name: str) -> bool:
    """Return whether GDAL may look for a file of that name beside an image."""
    return name.lower().endswith(_SIDE_ENDS)  # of a million names: no `PurePath` for each


def side_file_places(path: Path) -> list[Path]:
    """Return where files that belong to an image would lie, as GDAL looks for them."""
    whole = [path.with_name(path.name + more) for more in (".aux.xml", ".msk", ".ovr", ".hdr")]
    suffixes = [*sorted(_SIDE_SUFFIXES), *_SIDE_OR_OTHER]
    return whole + [path.with_suffix(s) for low in suffixes for s in (low, low.upper())]


def deciding_places(path: Path) -> list[Path]:
    """Return where files would lie that decide the pixels of an image which GDAL reads."""
    beside = [(path.stem, suffix) for suffix in _DECIDE_BY_STEM]
    beside += [(path.name, suffix) for suffix in _DECIDE_BY_NAME]
    cases = (str.lower, str.upper, str.title)  # GDAL takes any case; others are never seen
    return [path.with_name(name + case(suffix)) for name, suffix in beside for case in cases]
