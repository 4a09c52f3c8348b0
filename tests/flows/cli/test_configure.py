"""From the options of a command to settings."""

import logging
from pathlib import Path

import pytest

from flows.cli.configure import configure


@pytest.mark.parametrize("name", ["../x", ".", "my run", "a" * 65])
def test_a_name_that_no_folder_can_have_is_told_with_what_is_taken_instead(name, caplog):
    with caplog.at_level(logging.WARNING):
        config = configure(Path("data"), {"name": name})
    assert config.run_name != name and "/" not in config.run_name
    assert f"so the run is called {config.run_name}." in caplog.text


@pytest.mark.parametrize("name", ["coast-2024", None])
def test_a_plain_name_or_none_is_taken_without_a_word(name, caplog):
    with caplog.at_level(logging.WARNING):
        config = configure(Path("data"), {"name": name})
    assert not caplog.text and name in (None, config.run_name)
