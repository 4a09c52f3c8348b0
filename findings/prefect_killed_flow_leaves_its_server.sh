#!/usr/bin/env bash
# A flow that is killed leaves the Prefect server that it started for itself running for ever.
#
# Expected: without PREFECT_API_URL a flow starts a temporary server in a process of its own. It
#   ends with the flow, however that ends; at the latest the next flow knows that the first is gone.
# What happens: where the flow's process gets SIGKILL (by the kernel for want of memory, by a
#   cluster's scheduler, by `kill -9`), the server lives on as a child of init, with its port and
#   some 200 MB. The next flow starts another one beside it. In the database, which both use, the
#   killed flow run stays `Running`.
# Versions: prefect 3.9.1, Python 3.11, Linux.
# Output seen:
#   15 s after SIGKILL: 1 server is alive, of the parent 1
#   after the next flow: killed is Running, next is Completed; 1 server is alive
# Whom it hurts: long trainings as flows on one's own machine or on a cluster's node: each that is
#   killed costs 200 MB until the machine restarts, and the list of runs says that all of them run.
set -euo pipefail
folder=$(mktemp -d)
export PREFECT_HOME="$folder/home" PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
export PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=300 PREFECT_LOGGING_LEVEL=CRITICAL
unset PREFECT_API_URL
servers() { # the processes of servers with our home, by number
  for process in /proc/[0-9]*; do
    if tr '\0' '\n' 2>/dev/null <"$process/environ" | grep -qx "PREFECT_HOME=$PREFECT_HOME" &&
      tr '\0' ' ' 2>/dev/null <"$process/cmdline" | grep -q uvicorn; then
      basename "$process"
    fi
  done
}
trap 'servers | xargs -r kill -9; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  prefect==3.9.1 "fastapi<0.151" "sqlalchemy<2.1"
cat >"$folder/long.py" <<'PY'
import sys
import time
from pathlib import Path

from prefect import flow


@flow(flow_run_name="killed")
def training():
    Path(sys.argv[1]).touch()
    time.sleep(3600)


training()
PY
cat >"$folder/next.py" <<'PY'
from prefect import flow
from prefect.client.orchestration import get_client


@flow(flow_run_name="next")
def training():
    pass


training()
with get_client(sync_client=True) as client:
    states = {run.name: run.state.name for run in client.read_flow_runs()}
print(f"killed is {states['killed']}, next is {states['next']}")
assert states == {"killed": "Running", "next": "Completed"}
PY
"$folder/venv/bin/python" "$folder/long.py" "$folder/begun" &
flow=$!
until [ -e "$folder/begun" ]; do
  kill -0 "$flow"
  sleep 1
done
kill -9 "$flow"
wait "$flow" || true
sleep 15
left=$(servers)
[ "$(wc -w <<<"$left")" = 1 ]
parent=$(awk '/^PPid/ {print $2}' "/proc/$left/status")
echo "15 s after SIGKILL: 1 server is alive, of the parent $parent"
said=$("$folder/venv/bin/python" "$folder/next.py")
[ "$(servers)" = "$left" ]
echo "after the next flow: $said; 1 server is alive"
echo "as described"
