import torch

from terrabalance.device import describe_device, has_room_for_data, peak_memory, tuned_convolutions


def test_data_stays_on_the_host_where_it_would_take_over_an_eighth_of_the_gpu(monkeypatch, cpu):
    free, total = 8 * 2**30, 10 * 2**30
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, total))
    gpu = torch.device("cuda")
    assert has_room_for_data(2**30, gpu) and not has_room_for_data(2**30 + 1, gpu)
    assert not has_room_for_data(1, cpu)  # it is there already


def test_one_thread_is_one_thread(monkeypatch, cpu):
    for n, said in ((1, "cpu, 1 thread"), (2, "cpu, 2 threads")):
        monkeypatch.setattr(torch, "get_num_threads", lambda n=n: n)
        assert describe_device(cpu) == said


def test_tuning_is_undone_even_after_an_error():
    before = torch.backends.cudnn.benchmark
    try:
        with tuned_convolutions():
            assert torch.backends.cudnn.benchmark
            raise ValueError
    except ValueError:
        pass
    assert torch.backends.cudnn.benchmark == before


def test_the_peak_counts_what_was_freed_again(cpu):
    before = peak_memory(cpu)["host"]
    torch.ones(before // 4)  # four bytes each: as much again
    assert peak_memory(cpu)["host"] > 1.5 * before
