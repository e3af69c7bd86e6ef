from __future__ import annotations

import pytest

from mechscope.pipeline.times import about


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "a few seconds"),
        (38, "about 40 s"),
        (56, "about 55 s"),
        (58, "about 1 min"),
        (170, "about 3 min"),
        (3570, "about 1 h"),
        (3600, "about 1 h"),
        (4800, "about 1 h 20 min"),
    ],
)
def test_a_duration_is_said_as_a_person_plans_with_it(seconds: float, words: str) -> None:
    assert about(seconds) == words
