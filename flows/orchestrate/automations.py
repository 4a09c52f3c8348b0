"""Automations of the server that mark runs as crashed when their process or machine is gone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from prefect.automations import (
    AutomationCore,
    ChangeFlowRunState,
    EventTrigger,
    Posture,
    ResourceSpecification,
)
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType

TAG = "terrabalance"  # of every run that we have begun
HEARTBEAT_S = 30  # Prefect sends none more often
# A server that was away for longer takes runs for dead that are not: time for an update of it.
SILENCE = timedelta(minutes=5)
# A worker may have to fetch an image of 10 GB first.
START = timedelta(minutes=30)
_ENDED = {f"prefect.flow-run.{name}" for name in ("Completed", "Failed", "Cancelled", "Crashed")}
_HEARTBEAT = "prefect.flow-run.heartbeat"


@dataclass(frozen=True)
class Watch:
    """Marks a run as crashed that is not heard of in time.

    Attributes:
        name: of the automation.
        after: the event that time runs from.
        expect: the events of which one has to come.
        within: how long the next may take.
        message: why the run is said to have crashed.
    """

    name: str
    after: str
    expect: frozenset[str]
    within: timedelta
    message: str

    def automation(self) -> AutomationCore:
        """Return it as the server wants it.

        Only for flow runs with our tag: they send heartbeats often enough, those of others need
        not.
        """
        trigger = EventTrigger(
            after={self.after},
            expect=set(self.expect),
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            match_related=ResourceSpecification(
                {"prefect.resource.id": [f"prefect.tag.{TAG}"], "prefect.resource.role": "tag"}
            ),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=self.within,
        )
        return AutomationCore(
            name=self.name,
            description="No run stays unfinished for ever. Run again to go on where it was.",
            trigger=trigger,
            actions=[ChangeFlowRunState(state=StateType.CRASHED, message=self.message)],
        )


def watches() -> Iterator[Watch]:
    """Return what is watched: that runs stay alive, and that what a worker took also starts."""
    yield Watch(
        "terrabalance: no heartbeat, so crashed",
        _HEARTBEAT,
        frozenset({_HEARTBEAT, *_ENDED}),
        SILENCE,
        f"No heartbeat for {SILENCE.seconds} s: its process or machine is gone.",
    )
    yield Watch(
        "terrabalance: taken and not started, so crashed",
        "prefect.flow-run.Pending",
        frozenset({"prefect.flow-run.Running", *_ENDED}),
        START,
        f"A worker took it {START.seconds // 60} min ago, and it has not started.",
    )


def ensure_automations(client: SyncPrefectClient) -> None:
    """Make every automation, or bring it up to date."""
    for watch in watches():
        known = client.read_automations_by_name(watch.name)
        wanted = watch.automation()
        if not known:
            client.create_automation(wanted)
        elif AutomationCore(**known[0].model_dump(exclude={"id"})) != wanted:
            # An update forgets the heartbeats that it was waiting for: none where nothing changed.
            client.update_automation(known[0].id, wanted)
