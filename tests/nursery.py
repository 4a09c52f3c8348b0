"""A warm process that forks commands: `python nursery.py`, driven by lines of JSON on stdin.

It has imported everything and computed nothing, so it has one thread and a fork of it is whole. A
command begins in milliseconds instead of seconds, and a random moment falls into its work instead
of its imports. See `processes.Nursery` for the requests.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

ROOMS = ("terrabalance", "augment", "classifier", "flows")


def warm() -> None:
    """Import every module of ours, and with them all that they need."""
    for room in map(importlib.import_module, ROOMS):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            if not module.name.endswith(("__main__", ".kernels")):
                importlib.import_module(module.name)
    # Imported by these when they are first used.
    for name in (
        "timm", "torchvision.transforms", "denoising_diffusion_pytorch", "torch.utils.tensorboard",
    ):  # fmt: skip
        importlib.import_module(name)


def serve() -> None:
    """Answer requests until stdin ends."""
    assert threading.active_count() == 1
    say("ready")
    for line in sys.stdin:
        request = json.loads(line)
        children = [start(request, commands) for commands in request["at_once"]]
        say(json.dumps(children))
        say(json.dumps(watch(children, request["kill_after_s"])))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def start(request: dict[str, Any], commands: list[list[str]]) -> int:
    """Fork commands that are done one after the other, until one fails; return the process."""
    child = os.fork()
    if child:
        return child
    os.setsid()  # by which what it leaves behind is found
    os.chdir(request["cwd"])
    # Where a shell runs the tests in the background, they and their children ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_IGN if request["nohup"] else signal.SIG_DFL)
    if request["file_bytes"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_bytes"],) * 2)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    code = 1
    try:
        code = next(filter(None, map(perform, commands)), 0)
    except BaseException:
        traceback.print_exc()
    atexit._run_exitfuncs()  # Prefect ends its server by one
    sys.stdout.flush()
    os._exit(code)  # to take all modules apart would last longer than the command


def perform(words: list[str]) -> int:
    """Do one command as a shell would; return its exit code."""
    from flows.cli.app import main

    sys.argv = ["terrabalance", *words]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def watch(children: list[int], kill_after_s: float | None) -> list[dict[str, Any]]:
    """Wait for processes, SIGKILL them after a while; how each ended, after how long."""
    began, ended = time.monotonic(), dict[int, dict[str, Any]]()
    while len(ended) < len(children):
        for child in set(children) - set(ended):
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                code = os.waitstatus_to_exitcode(status)
                ended[child] = {"pid": child, "exit": code, "seconds": time.monotonic() - began}
        if kill_after_s is not None and time.monotonic() - began >= kill_after_s:
            for child in set(children) - set(ended):
                os.kill(child, signal.SIGKILL)
        time.sleep(0.002)
    return [ended[child] for child in children]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    gc.disable()  # there is nothing to be freed while modules are imported, and it takes a second
    warm()
    gc.freeze()  # a collection in a fork would copy all of it
    gc.enable()
    serve()
