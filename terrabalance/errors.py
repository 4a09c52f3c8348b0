"""Errors that a user can meet.

TerrabalanceError
├── BadInput            what the user gave cannot be used: a path, a class, a setting, an archive
├── UnreadableImage     one file is not an image, is truncated, or lacks bands
├── NotReady            an earlier stage has to run first
├── StoreUnreachable    the store of --workdir does not answer or is full; it may pass
├── ServerUnreachable   the Prefect server does not start, does not answer, or is of no use here
├── SystemRefused       the system refuses: a full disk, no permission, too many open files
├── ProcessLost         a process was killed that trains a generator, or is Ray; it may pass
└── TrainingDiverged    the loss is not finite

Every message says what is wrong, where, and what to do. The command line prints it as one
line and exits with 2; anything else is a bug and keeps its trace.
"""


class TerrabalanceError(Exception):
    """Base of every error that the command line shows without a trace."""


class BadInput(TerrabalanceError, ValueError):
    """Something the user gave cannot be used."""


class UnreadableImage(TerrabalanceError):
    """A file could not be decoded as an image."""


class NotReady(TerrabalanceError):
    """A stage was asked for before the stage that it needs."""


class StoreUnreachable(TerrabalanceError):
    """A remote working folder does not answer or cannot take more; nothing local is lost."""


class SystemRefused(TerrabalanceError, OSError):
    """What the system refuses, in words: see `terrabalance.system_errors`."""


class ServerUnreachable(TerrabalanceError):
    """The Prefect server does not start, does not answer, or cannot be used by this version."""


class ProcessLost(TerrabalanceError):
    """One of several processes that train together died, or Ray; the last checkpoint is kept."""


class TrainingDiverged(TerrabalanceError):
    """A loss stopped being finite; the last good checkpoint is kept."""
