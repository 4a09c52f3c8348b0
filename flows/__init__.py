"""Orchestration: the only room that sees both others, and the only one with Prefect."""

import os

# A thread of torch that waits for the others of its process spins for some 10 ms before it sleeps.
# Where other work is on the cores, it takes the core from the very thread it waits for. With this
# limit a training beside a busy core takes 0.77 of the time, and at rest 1.01; never to spin, 0.62
# and 1.37 (docs/benchmarks/thread_waiting.md). libgomp reads it once, when torch is loaded;
# processes that are started here inherit it.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
