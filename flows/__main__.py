"""The command `terrabalance`; also `python -m flows`, where its script is not on the path."""

import signal


def main() -> None:
    """Run the command line.

    Ctrl-C ends it without a word while it is being imported, which takes a second, and once its
    work is done. In between `flows.cli.signals` takes it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from flows.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
