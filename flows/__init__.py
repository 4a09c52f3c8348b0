"""Orchestration: the only room that sees both others, and the only one with Prefect."""

import os

# A thread of torch that waits for the others of its process spins for some 10 ms before it sleeps.
# Where other work is on the cores, it takes the core from the very thread it waits for: a training
# took 11 times as long as with this limit. At rest the limit costs 3 %; never to spin, 29 %.
# libgomp reads it once, when torch is loaded; processes that are started here inherit it.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
