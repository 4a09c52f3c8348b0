"""The embedded server among a user's settings of Prefect, and beside other commands that start."""

import subprocess
import sys

import httpx
import pytest
from prefect.settings import get_current_settings
from prefect_server import of_home, python_of_home
from waiting import PATIENCE_S

from flows.orchestrate.embedded import refused
from flows.orchestrate.server import _errors_in_words
from terrabalance.errors import ServerUnreachable

# What a command does with its server: a flow, a variable, and what the flow's run is called.
_USE = """
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.variables import Variable
from flows.orchestrate.server import some_server
from flows.orchestrate.stale import tagged

@flow(flow_run_name="used")
def use():
    Variable.set("x", "kept", overwrite=True)

with some_server() as server, tagged(server), get_client(sync_client=True) as client:
    use()
    print(Variable.get("x"), *(run.name for run in client.read_flow_runs()))
"""
_NOBODY = "http://127.0.0.1:9"
# Of a server and its clients, and of clients, which ask a proxy.
_OF_ANOTHER_SERVER = (
    {
        "PREFECT_SERVER_API_AUTH_STRING": "admin:pass",
        "PREFECT_API_AUTH_STRING": "other:word",
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
    },
    {
        "PREFECT_API_AUTH_STRING": "other:word",
        "PREFECT_API_KEY": "of the cloud",
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), _NOBODY),
    },
)


def test_a_profile_of_another_server_makes_its_own_usable_all_the_same(prefect_home):
    home = prefect_home()
    (home / "profiles.toml").write_text(
        'active = "ours"\n[profiles.ours]\nPREFECT_SERVER_EPHEMERAL_ENABLED = "true"\n'
        'PREFECT_SERVER_API_AUTH_STRING = "admin:pass"\n'
        'PREFECT_SERVER_API_BASE_PATH = "/x"\n'
    )
    result = python_of_home(home, _USE)
    assert result.stdout == "kept used\n", result.stderr


@pytest.mark.parametrize(
    ("status", "said"), [(401, "refuses what this command asks"), (500, "server fails")]
)
def test_what_the_embedded_server_refuses_in_mid_command_is_one_sentence(status, said):
    answer = httpx.Response(status, request=httpx.Request("GET", "http://127.0.0.1:1/api/version"))
    with (
        pytest.raises(ServerUnreachable, match=f"{said} .status {status};") as caught,
        _errors_in_words("Prefect's embedded server", refused, "later"),
    ):
        answer.raise_for_status()
    assert "\n" not in str(caught.value)
    assert (str(get_current_settings().home) in str(caught.value)) == (status == 500)


def test_commands_that_start_at_once_with_a_new_home_all_work_with_settings_of_another_server(
    tmp_path,
):
    """Each would make the database's tables while another does, whoever else is to make them."""
    home = of_home(tmp_path / "home", PREFECT_SERVER_DATABASE_MIGRATE_ON_START="false")
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", _USE], env={**home, **settings},
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for settings in _OF_ANOTHER_SERVER
    ]  # fmt: skip
    said = [command.communicate(timeout=PATIENCE_S) for command in commands]
    assert [command.returncode for command in commands] == [0, 0], said
    # Who is later sees the run of the other as well.
    assert [set(printed.split()) for printed, _ in said] == [{"kept", "used"}] * 2, said
    line = "waiting for another command that starts Prefect's server\n"
    assert sorted(line in error for _, error in said) == [False, True]
