"""The pull step of our deployments: the folder that a worker runs a flow in."""

import os
from pathlib import Path

from terrabalance.errors import BadInput
from terrabalance.system_errors import in_words


def enter_folder(directory: str) -> dict[str, str]:
    """Make the folder where it is missing, and run the flow in it.

    Prefect's own `set_working_directory` ends in a trace where there is none.

    Args:
        directory: as given to `terrabalance deploy --workdir`, on the worker's machine.

    Raises:
        BadInput: it can be neither made nor entered.
    """
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        os.chdir(directory)
    except OSError as error:
        raise BadInput(
            f"the worker cannot use the folder of the deployment: {in_words(error)} Or register "
            "another one: `terrabalance deploy --workdir FOLDER`."
        ) from error
    return {"directory": directory}
