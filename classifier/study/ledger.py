"""Who has looked at the test part: each comparison once, so that a report can say how many did.

A test part that many comparisons have been read from, the best of which is told, has become a
validation part. No program can forbid that; this one counts.
"""

from pathlib import Path

from filelock import FileLock

from terrabalance.files import read_json, write_json

LEDGER = "test_openings.json"  # beside the trainings of all comparisons


def add_openings(path: Path, others: dict[str, list[str]]) -> None:
    """Add what a ledger of another machine says, `others`, to the one at `path`."""
    for test_key, comparisons in others.items():
        for comparison in comparisons:
            note_opening(path, test_key, comparison)


def note_opening(path: Path, test_key: str, comparison_key: str) -> int:
    """Note that a comparison reads the test part; return how many different ones have so far.

    Args:
        path: of the ledger, a JSON file; made if it is not there.
        test_key: hash of the test images.
        comparison_key: hash of all that decides the comparison; the same one again does not count.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        ledger: dict[str, list[str]] = read_json(path) if path.is_file() else {}
        opened = ledger.setdefault(test_key, [])
        if comparison_key not in opened:
            opened.append(comparison_key)
            write_json(path, ledger)
    return len(opened)
