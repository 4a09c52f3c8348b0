"""The process of Prefect's embedded server: `python server_process.py SOCKET PARENT`.

It is started by its path, and imports nothing of ours: it is there in the time that Prefect needs.
"""

import os
import socket
import sys
import threading
import time

_LOOK_EVERY_S = 0.5


def _end_with(parent: int) -> None:
    """End this process, whatever it does, soon after its parent has ended.

    A parent that gets SIGKILL can end nobody. Its children are then given to another parent, on
    Linux and on macOS. Linux's own signal for it follows the thread that started the child, which
    may end before the process.
    """
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)


def main() -> None:
    """Serve on a socket that the parent has bound, until it wants no more or is gone."""
    listener, parent = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    import uvicorn  # takes seconds, in which the parent may end

    config = uvicorn.Config(
        "prefect.server.api.server:create_app", factory=True, lifespan="on", log_level="error"
    )
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
