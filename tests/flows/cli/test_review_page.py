"""Reviewing by eye: the addresses."""

import pytest
from fastapi.testclient import TestClient

from augment.screen.rules import MEANINGS
from augment.screen.statuses import FEW_LIMITS, NOT_SCREENED
from flows.cli.review_board import Board, board_of
from flows.cli.review_page import review_app
from flows.stages.dataset import assemble_dataset
from flows.stages.run import Run
from flows.stages.synthetic import synthesize_class
from terrabalance.errors import BadInput
from terrabalance.manifest import read_manifest


def client(board: Board, host: str = "127.0.0.1") -> TestClient:
    return TestClient(
        review_app(board), base_url=f"http://{host}", cookies={board.cookie: board.key}
    )


def first_row(board: Board) -> dict:
    name, path = board.items[0]
    frame = read_manifest(board.folders[name]).frame
    return frame[frame["path"] == path].iloc[0].to_dict()


def test_a_decision_is_in_the_manifest_with_who_and_when(board):
    answer = client(board).post(
        "/review/0", json={"decision": "refuse"}, headers={"X-Token": board.token}
    )
    assert answer.json()["0"]["status"] == "refused"
    row = first_row(board)
    assert (row["review"], row["reviewer"], row["status"]) == ("refuse", "Ada <b>", "refused")
    assert row["reviewed"]


def test_an_answer_tells_what_changed_and_nothing_else(board):
    web = client(board)
    before = board.states()
    for decision in ("refuse", None):
        answer = web.post(
            "/review/0", json={"decision": decision}, headers={"X-Token": board.token}
        ).json()
        after = board.states()
        changed = {str(i): new for i, new in enumerate(after) if new != before[i]}
        assert answer == changed and "0" in answer and len(answer) < len(after)
        before = after


def test_two_pages_in_one_browser_do_not_lock_each_other_out(board, reviewed):
    pages, kept = [board, board_of(Run(reviewed), "Bob")], {}
    for page in pages:
        opened = TestClient(review_app(page), base_url="http://127.0.0.1").get(f"/?key={page.key}")
        kept.update(opened.cookies)  # a browser sends them to every port
    for page in pages:
        web = TestClient(review_app(page), base_url="http://127.0.0.1", cookies=kept)
        assert web.get("/image/0").status_code == 200


def test_assemble_leaves_out_what_was_refused(board, reviewed):
    before = len(read_manifest(assemble_dataset(Run(reviewed))).usable("train", "Beach"))
    board.decide(0, "refuse")
    after = len(read_manifest(assemble_dataset(Run(reviewed))).usable("train", "Beach"))
    assert after == before - 1


def test_a_run_draws_on_for_what_was_refused(board, reviewed):
    board.decide(0, "refuse")
    folder = synthesize_class(Run(reviewed), "Beach")
    frame = read_manifest(folder).frame.sort_values("path")
    needed = len(board.items)
    assert len(frame) > needed and (frame["status"] == "ok").sum() == needed
    assert frame["reviewer"].iloc[0] == "Ada <b>"


def test_a_damaged_mark_that_is_deleted_as_is_said_costs_no_decision(board, reviewed):
    board.decide(0, "refuse")
    folder = board.folders["Beach"]
    images = {path: path.read_bytes() for path in folder.glob("*.png")}
    decisions = (folder / "reviews.json").read_bytes()
    (folder / "done.json").write_text("{")
    with pytest.raises(BadInput, match=rf"delete {folder / 'done.json'} alone"):
        synthesize_class(Run(reviewed), "Beach")
    (folder / "done.json").unlink()
    synthesize_class(Run(reviewed), "Beach")
    assert (folder / "reviews.json").read_bytes() == decisions
    assert first_row(board)["review"] == "refuse"
    assert all(path.read_bytes() == before for path, before in images.items())


def test_a_rule_without_a_limit_refuses_nothing_and_the_page_says_so(board):
    state = board.states()[0]
    scores = {row["rule"]: row for row in state["scores"]}
    assert scores["repeat"]["limit"] == 0 and scores["copy"]["limit"] is not None
    assert scores["colour"]["limit"] is None and not scores["colour"]["over"]
    assert state["note"] == FEW_LIMITS
    page = client(board).get("/").text
    assert FEW_LIMITS in page and MEANINGS["near_copy"] in page


def test_of_images_that_were_not_screened_the_page_says_so(board, reviewed):
    screening = reviewed.screening.model_copy(update={"enabled": False})
    other = Run(reviewed.model_copy(update={"screening": screening, "name": "plain"}))
    synthesize_class(other, "Beach")
    state = board_of(other, "Ada").states()[0]
    assert (state["scores"], state["note"]) == ([], NOT_SCREENED)


def test_pictures_are_sent_and_others_are_not(board):
    web = client(board)
    assert web.get("/image/0").content.startswith(b"\x89PNG")
    assert web.get("/real/0/0").content.startswith(b"\x89PNG")
    for address in ("/image/-1", f"/image/{len(board.items)}", "/real/0/99", "/image/..%2f..%2fx"):
        assert web.get(address).status_code in (404, 422)


def test_no_other_page_can_decide_or_look(board):
    post = {"url": "/review/0", "json": {"decision": "refuse"}}
    assert client(board).post(**post).status_code == 422
    assert client(board).post(**post, headers={"X-Token": "guess"}).status_code == 403
    assert client(board, "rebound.example").get("/").status_code == 400
    assert first_row(board)["review"] == ""


@pytest.mark.parametrize(
    "body", [b'{"decision": NaN}', b'{"decision": -Infinity}', b'{"decision": "\\ud800"}', b"[NaN]",
             b'{"decision": 1e999}', b'{"decision": "maybe"}', b'{"\\ud800": 1}', b"NaN"]
)  # fmt: skip
def test_what_is_no_decision_is_refused_whatever_it_holds(board, body):
    answer = client(board).post(
        "/review/0", content=body,
        headers={"X-Token": board.token, "Content-Type": "application/json"},
    )  # fmt: skip
    assert answer.status_code == 422
    assert answer.text in ("Not understood: body.decision.", "Not understood: body.")
    assert first_row(board)["review"] == ""


def test_what_is_longer_than_a_decision_or_of_no_stated_length_is_not_read(board):
    head = {"X-Token": board.token, "Content-Type": "application/json"}
    long = client(board).post("/review/0", content=b" " * 2000, headers=head)
    assert long.status_code == 413
    short = client(board).post("/review/0", content=b'{"decision": null}', headers=head)
    assert short.status_code == 200
    endless = client(board).post("/review/0", content=iter([b'{"decision": null}']), headers=head)
    assert endless.status_code == 411


def test_the_head_of_an_answer_is_that_of_the_answer(board):
    web = client(board)
    for address in ("/", "/image/0", "/real/0/0", "/image/-1"):
        head, whole = web.head(address), web.get(address)
        assert head.status_code == whole.status_code
        assert head.headers["content-type"] == whole.headers["content-type"]
    other = TestClient(review_app(board), base_url="http://127.0.0.1")
    assert other.head("/").status_code == 403


def test_a_decision_that_another_site_sent_is_refused_whatever_it_brings(board):
    web, mine = client(board), {"X-Token": board.token}
    post = {"url": "/review/0", "json": {"decision": "refuse"}}
    for sent in (
        {"Origin": "http://elsewhere.example"}, {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    ):  # fmt: skip
        assert web.post(**post, headers=mine | sent).status_code == 403
    assert first_row(board)["review"] == ""
    own = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}
    assert web.post(**post, headers=mine | own).status_code == 200


def test_images_that_are_gone_are_told_and_come_back(board):
    web, folder = client(board), board.folders["Beach"]
    aside = folder.rename(folder.with_name("aside"))
    try:
        for answer in (
            web.get("/"), web.get("/image/0"),
            web.post("/review/0", json={"decision": "refuse"}, headers={"X-Token": board.token}),
        ):  # fmt: skip
            assert answer.status_code == 409 and str(folder) in answer.text
            assert "Traceback" not in answer.text
    finally:
        aside.rename(folder)
    assert web.get("/").status_code == 200


def test_no_answer_is_kept_by_a_cache_or_tells_another_server_the_address(board, monkeypatch):
    web = TestClient(
        review_app(board), base_url="http://127.0.0.1", raise_server_exceptions=False,
        cookies={board.cookie: board.key},
    )  # fmt: skip
    monkeypatch.setattr(board, "real", lambda index, which: 1 / 0)
    answers = [
        (200, web.get("/")), (200, web.get("/image/0")), (404, web.get("/image/-1")),
        (405, web.post("/image/0")), (422, web.post("/review/0", json={"decision": "refuse"})),
        (400, client(board, "rebound.example").get("/")), (500, web.get("/real/0/0")),
        (403, TestClient(review_app(board), base_url="http://127.0.0.1").get("/")),
    ]  # fmt: skip
    for code, answer in answers:
        headers = answer.headers
        assert answer.status_code == code
        assert headers["referrer-policy"] == "no-referrer", code
        assert headers["cache-control"] == "no-store", code
        assert headers["x-content-type-options"] == "nosniff", code
        assert headers["x-frame-options"] == "DENY", code
        assert headers["cross-origin-resource-policy"] == "same-origin", code
        assert "frame-ancestors 'none'" in headers["content-security-policy"], code


def test_without_the_printed_address_nothing_is_shown(board):
    web = TestClient(review_app(board), base_url="http://127.0.0.1")
    for address in ("/", "/image/0", "/real/0/0", "/?key=guess"):
        answer = web.get(address)
        assert answer.status_code == 403 and board.token not in answer.text
    assert board.token in web.get(f"/?key={board.key}").text
    assert web.get("/image/0").status_code == 200  # by the cookie


def test_names_do_not_become_markup(board):
    answer = client(board).get("/")
    assert "Ada &lt;b&gt;" in answer.text and "Ada <b>" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_decisions_that_another_setting_leaves_behind_are_told_with_their_folder(
    reviewed, board, caplog
):
    board.decide(0, "refuse")
    synthesize_class(Run(reviewed), "Beach")
    assert "do not count" not in caplog.text
    screening = reviewed.screening.model_copy(update={"most_draws": 2.5})
    other = Run(reviewed.model_copy(update={"screening": screening, "name": "other"}))
    synthesize_class(other, "Beach")
    decided = Run(reviewed).names.synthetic(Run(reviewed).plan_of("Beach"))
    assert (
        f"Beach: 1 decision(s) by eye on images of the same generator, in {decided}," in caplog.text
    )
