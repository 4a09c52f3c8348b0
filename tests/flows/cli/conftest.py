"""Images that are drawn and screened, to be reviewed by eye."""

from collections.abc import Iterator

import pytest

from augment.scenes import draw_dataset
from flows.cli.review_board import Board, board_of
from flows.settings.config import RunConfig
from flows.stages import generators
from flows.stages.run import Run
from flows.stages.synthetic import synthesize_class
from terrabalance.errors import NotReady


@pytest.fixture(scope="session")
def reviewed(tiny, tmp_path_factory) -> RunConfig:
    root = tmp_path_factory.mktemp("r")
    scenes = draw_dataset(root / "scenes", {"Forest": 10, "River": 8, "Beach": 5}, side_px=32)
    config = RunConfig(data=scenes, workdir=root, name="tiny", **tiny)
    with pytest.raises(NotReady, match="terrabalance sample"):
        board_of(Run(config), "Ada")
    generators.train_base(Run(config))
    generators.train_class(Run(config), "Beach")
    synthesize_class(Run(config), "Beach")
    return config


@pytest.fixture
def board(reviewed) -> Iterator[Board]:
    board = board_of(Run(reviewed), "Ada <b>")
    yield board
    for index in range(len(board.items)):
        board.decide(index, None)
