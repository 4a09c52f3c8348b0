"""Counts the comparisons that have read a test part, for the report.

A test part that many comparisons have read, of which the best is reported, has become a validation
part. No program can forbid that; this one counts.
"""

from pathlib import Path

from filelock import FileLock

from terrabalance.files import checked, read_record, write_json

LEDGER = "test_openings.json"  # beside the trials of all comparisons


def add_openings(path: Path, others: dict[str, list[str]]) -> None:
    """Add the entries of another machine's ledger, `others`, to the one at `path`."""
    for test_key, comparisons in others.items():
        for comparison in comparisons:
            note_opening(path, test_key, comparison)


def note_opening(path: Path, test_key: str, comparison_key: str) -> int:
    """Note that a comparison reads the test part; return how many different ones have read it.

    Args:
        path: of the ledger, a JSON file; created if missing.
        test_key: hash of the test images.
        comparison_key: hash of all that decides the comparison; the same one again does not count.

    Raises:
        BadInput: the ledger is damaged or none of ours.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        ledger = read_record(path) if path.is_file() else {}
        opened: list[str] = checked({test_key: [], **ledger}, path, {test_key: list})[test_key]
        if comparison_key not in opened:
            opened.append(comparison_key)
            write_json(path, {**ledger, test_key: opened})
    return len(opened)
