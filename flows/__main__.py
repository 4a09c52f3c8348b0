"""`python -m flows`: the command line, where its script is not on the path."""

from flows.cli.app import main

main()
