"""Claims about how many analyses run at a time."""

import os

import pytest

from mechscope.pipeline.devices import THREADS, analyses_at_a_time


@pytest.mark.parametrize(("cores", "expected"), [(1, 1), (2, 1), (3, 1), (4, 2), (17, 8)])
def test_no_two_kernels_share_a_core_and_one_always_runs(
    monkeypatch: pytest.MonkeyPatch, cores: int, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert analyses_at_a_time() == expected
    assert expected == 1 or expected * THREADS <= cores


def test_where_affinity_is_unknown_all_cores_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert analyses_at_a_time() == 4
