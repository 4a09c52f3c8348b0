"""What Prefect's logs say of input that is refused: the sentence, without a trace of our code."""

import logging

from terrabalance.errors import TerrabalanceError

_LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")


class _Refused(logging.Filter):
    """Takes the trace off records of errors that are a user's; a bug keeps its own."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, TerrabalanceError):
            record.exc_info, record.exc_text = None, None
            record.msg, record.args = f"{type(error).__name__}: %s", (error,)
        return True


def tell_refusals_in_words() -> None:
    """Have Prefect log a user's error as its sentence, in this process."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, _Refused) for known in logger.filters):
            logger.addFilter(_Refused())
