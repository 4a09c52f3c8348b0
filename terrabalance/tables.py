"""Tables as Parquet files that notice when they are damaged.

Parquet's own checksums are optional, and none covers its footer: of single flipped bits in a
manifest, half were read as other rows. So a table carries the hash of its content in its metadata.
"""

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from terrabalance.errors import BadInput, SystemRefused
from terrabalance.files import MADE_ANEW, atomic_write
from terrabalance.system_errors import is_out_of_threads, no_threads_in_words

_SEAL = b"terrabalance.sha256"


def write_table(path: Path, table: pa.Table, facts: Mapping[bytes, bytes]) -> None:
    """Write a table as Parquet, atomically, with facts in its metadata and a hash of all of it."""
    metadata = {**(table.schema.metadata or {}), **facts}
    sealed = {**metadata, _SEAL: _seal_of(table, metadata)}
    with atomic_write(path) as file:
        pq.write_table(table.replace_schema_metadata(sealed), file, write_page_checksum=True)


def read_table(path: Path) -> tuple[pa.Table, dict[bytes, bytes]]:
    """Read a Parquet file of `write_table`, or of others, which has no hash.

    Returns:
        The table, and the metadata with the facts.

    Raises:
        BadInput: not Parquet, or not what was written; the message names the file.
        SystemRefused: there are no threads to read it with, which says nothing of the file.
    """
    with _refused_in_words(path):
        data = io.BytesIO(path.read_bytes())
        # By this thread alone: where a limit allows no others, Arrow would wait for them for ever.
        table = pq.ParquetFile(data, page_checksum_verification=True).read(use_threads=False)
        table.column_names  # noqa: B018 - which may be no UTF-8
        metadata = dict(table.schema.metadata or {})
        seal = metadata.pop(_SEAL, None)
        is_whole = seal is None or seal == _seal_of(table, metadata)
    if not is_whole:
        raise BadInput(f"{path}: damaged, or changed since it was written. {MADE_ANEW}")
    return table, metadata


def holds_text(path: Path, column: str) -> bool:
    """Return whether any row of a Parquet file has more than "" in a column; not where it lacks it.

    Reads that column alone, and compares no hash.

    Raises:
        BadInput: as of `read_table`, where that column shows it.
        SystemRefused: as of `read_table`.
    """
    with _refused_in_words(path), pq.ParquetFile(path) as file:
        if column not in file.schema_arrow.names:
            return False
        found = file.read([column], use_threads=False)[column]
        return bool(pc.any(pc.not_equal(found, "")).as_py())


@contextmanager
def _refused_in_words(path: Path) -> Iterator[None]:
    """Say of a file that cannot be read in the block what is wrong with it."""
    try:
        yield
    except (AttributeError, NameError):  # of this program: the file may be whole
        raise
    except Exception as error:  # a damaged footer raises what it happens to
        if is_out_of_threads(error):
            raise SystemRefused(no_threads_in_words()) from error
        reason = str(error).strip().split("\n")[0]
        raise BadInput(
            f"{path}: not a Parquet table that can be read ({reason}). {MADE_ANEW}"
        ) from error


def _seal_of(table: pa.Table, metadata: Mapping[bytes, bytes]) -> bytes:
    """Hash columns and facts by what they say, not by how Arrow or Parquet store it."""
    found = hashlib.sha256()
    for key in sorted(metadata):
        found.update(b"%d %d " % (len(key), len(metadata[key])) + key + metadata[key])
    for name in table.column_names:
        column = table[name].combine_chunks()
        found.update(f"{name} {len(column)} ".encode())
        _hash_column(found, column)
    return found.hexdigest().encode()


def _hash_column(found: "hashlib._Hash", column: pa.Array) -> None:
    kind = column.type
    found.update(f"{column.null_count} ".encode())
    if pa.types.is_list(kind):
        _hash_column(found, column.value_lengths())
        _hash_column(found, column.flatten())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        _hash_column(found, pc.binary_length(column).cast(pa.int64()))
        found.update(utf8_of(column))
    else:
        found.update(f"{kind} ".encode())
        found.update(column.to_numpy(zero_copy_only=False).tobytes())


def utf8_of(column: pa.Array) -> bytes:
    """Return the UTF-8 of all texts of a column, one after the other."""
    texts = column.cast(pa.large_string())
    _, ends, data = texts.buffers()
    if data is None:
        return b""
    places = pa.Array.from_buffers(pa.int64(), len(texts) + 1, [None, ends], offset=texts.offset)
    first, last = places[0].as_py(), places[-1].as_py()
    return bytes(data.slice(first, last - first))
