"""From the options of a command to the settings of a run."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.settings.reading import without_none
from terrabalance.errors import BadInput
from terrabalance.wording import shown

if TYPE_CHECKING:
    from flows.settings.config import RunConfig

_log = logging.getLogger(__name__)


def configure(
    data: Path,
    given: dict[str, Any],
    config_file: Path | None = None,
    settings: list[str] | None = None,
) -> "RunConfig":
    """Compose settings from a TOML file, single settings and options, the last ones winning.

    Args:
        data: the images.
        given: options by section and field; those that are None are left out.
        config_file: TOML, or None.
        settings: each `section.field=value`.

    Raises:
        BadInput: every wrong setting with its name and reason, in one message.
    """
    from flows.settings.config import build_config

    config = build_config(data, config_file, settings or [], given)
    if config.name is not None and config.run_name != config.name:
        _log.warning(
            "%s cannot name a folder on every system, so the run is called %s. Plain names have "
            "letters, digits, - and _, 64 at most.", shown(config.name), config.run_name,
        )  # fmt: skip
    return config


def configure_run(
    data: Path, given: dict[str, Any], config_file: Path | None, settings: list[str] | None
) -> "RunConfig":
    """Compose settings as `configure`, and make sure that the data is there.

    Raises:
        BadInput: as of `configure`, or data that cannot be used.
    """
    return _with_data(configure(data, given, config_file, settings))


def _with_data(config: "RunConfig") -> "RunConfig":
    from augment.catalogue.sources import check_source

    if config.catalogue is None:  # before torch is imported: a mistyped path is refused at once
        check_source(config.data, config.images)
    return config


def configure_stage(
    data: Path, given: dict[str, Any], config_file: Path | None, settings: list[str] | None
) -> "RunConfig":
    """Compose settings as `configure_run`; `data` may also be a run that has begun.

    That is its report folder, or its name, and its settings are known.

    Raises:
        BadInput: as of `configure_run`, or settings beside a run that has its own.
    """
    from flows.settings.config import build_config
    from flows.store.begun import begun_run

    begun = begun_run(data, given.get("workdir"))
    if begun is None:
        return configure_run(data, given, config_file, settings)
    if without_none({**given, "workdir": None, "device": None}) or config_file or settings:
        raise BadInput(
            f"{data} is a run that has begun, with settings of its own: beside it, --workdir and "
            "--device alone can be given. To change others, give its images as DATA: "
            f"{begun.data}"
        )
    known = begun.model_dump(mode="json") | without_none({"device": given.get("device")})
    return _with_data(build_config(begun.data, None, [], known))


def names(option: str, given: str | None) -> list[str] | None:
    """Split what an option names, separated by commas; None: it is not given.

    Raises:
        BadInput: one of the names is empty.
    """
    if given is None:
        return None
    parts = [name.strip() for name in given.split(",")]
    if not all(parts):
        raise BadInput(
            f"{option} {shown(given)}: holds no name, or an empty one. Give names with commas "
            f"between them, or leave {option} out."
        )
    return parts


def plan_options(classes: str | None, target: str | None) -> dict[str, Any]:
    """Return the section `plan` of what a command was given."""
    return {"classes": names("--classes", classes), "target": target}
