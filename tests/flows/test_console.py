import io

from rich.console import Console

from flows import console


def test_a_stage_that_found_all_done_says_so_and_no_longer_pulses(monkeypatch):
    printed = io.StringIO()
    monkeypatch.setattr(console, "console", Console(file=printed, force_terminal=True, width=100))
    with console.bars() as watch:
        watch("scan")
        watch("train Pond")(3, 4, "loss 0.1")
        watch("assemble")
    last = printed.getvalue().splitlines()[-4:-1]  # the very last shows the cursor again
    assert ["found" in line for line in last] == [True, False, True]
    assert "3/4" in last[1] and "0/?" not in "".join(last)
