"""Prefect's settings, which it reads where it is imported."""

import io
import os
import sys
from contextlib import redirect_stderr
from pathlib import Path

from pydantic import ValidationError

from terrabalance.errors import BadInput
from terrabalance.system_errors import in_words


def read_prefects_settings() -> None:
    """Import the part of Prefect that reads its settings, for the first time.

    Raises:
        BadInput: what is set for Prefect on this machine cannot be read.
    """
    if not os.environ.get("PREFECT_API_URL"):  # empty, to Prefect, is the address of a server
        os.environ.pop("PREFECT_API_URL", None)
    said = io.StringIO()  # its warnings, of which the error is one sentence
    try:
        with redirect_stderr(said):
            import prefect.context
    except ValidationError as error:
        wrong = [
            f"{error.title}.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()
        ]
        raise _unreadable("; ".join(wrong)) from error
    except (ValueError, OSError) as error:  # damaged TOML, other encodings; no permission
        raise _unreadable(str(error)) from error
    home = prefect.settings.get_current_settings().home
    if home.is_dir():
        sys.stderr.write(said.getvalue())
    else:  # what it said is that it could not make this folder: it makes no folders above it
        _make_home(home)


def _make_home(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise BadInput(
            f"PREFECT_HOME: {in_words(error)} It is where Prefect keeps its settings and its "
            "database, by default ~/.prefect."
        ) from error


def _unreadable(reason: str) -> BadInput:
    return BadInput(
        f"Prefect cannot read its settings ({reason}). They are variables that begin with "
        "PREFECT_, profiles.toml in PREFECT_HOME (~/.prefect), and prefect.toml, pyproject.toml "
        "and .env of the current folder: correct what is wrong there."
    )
