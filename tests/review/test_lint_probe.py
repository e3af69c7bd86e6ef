"""The probe: what it says of plain cases, and that neither neighbours nor what is kept change it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mechscope.review.lint import probe
from tests.review.learn_probe import corpus_hash, learn

SETTINGS = "We trained with a batch size of 64 for 2000 steps."
RESULT = "The probe reached an accuracy of 0.93 on held-out texts."


def query(text: str, *numbers: str) -> probe.Query:
    places = [text.index(number) for number in numbers]
    return text, [(place, place + len(number)) for place, number in zip(places, numbers, strict=True)]


def test_the_direction_was_learned_from_the_corpus_as_it_is() -> None:
    weights = probe._weights()
    assert weights["corpus"] == corpus_hash(), "python -m tests.review.learn_probe"
    assert weights["layer"] == probe.LAYER and len(weights["direction"]) % 3 == 0


def test_a_setting_is_no_result_and_a_measured_value_is() -> None:
    of_settings, of_result = probe.scores([query(SETTINGS, "64", "2000"), query(RESULT, "0.93")])
    assert all(score < 0 for score in of_settings) and of_result[0] > 0


def test_scores_depend_neither_on_the_batch_nor_on_other_passages() -> None:
    queries = [query(SETTINGS, "64"), query(RESULT, "0.93"), query(f"{SETTINGS} {RESULT}" * 4, "64", "0.93")]
    together = probe.scores([*queries, ("Nothing is asked of this.", [])])
    apart = [scores for one in queries for scores in probe.scores([one])]
    assert together[-1] == []
    assert [score for scores in together for score in scores] == pytest.approx(
        [score for scores in apart for score in scores], abs=1e-3
    )


@pytest.mark.parametrize(
    "damage", [None, "", "[1]", '{"scores": {"a": [null]}}', '{"scores": 3, "probe": 1}']
)
def test_scores_are_kept_and_a_damaged_file_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str | None
) -> None:
    kept = tmp_path / "there" / "lint.json"
    if damage is not None:
        kept.parent.mkdir()
        kept.write_text(damage, encoding="utf-8")
    first = probe.scores([query(RESULT, "0.93")], kept)
    monkeypatch.setattr(probe, "states", lambda queries: pytest.fail("judged again"))
    assert probe.scores([query(RESULT, "0.93")], kept) == first


def test_where_nothing_can_be_kept_numbers_are_judged_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    kept = tmp_path / "file" / "lint.json"
    assert probe.scores([query(RESULT, "0.93")], kept) == probe.scores([query(RESULT, "0.93")])


def test_scores_of_one_file_stay_when_another_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "lint.json"
    first, second = query(RESULT, "0.93"), query(SETTINGS, "64")
    expected = [probe.scores([one], kept)[0] for one in (first, second)]
    monkeypatch.setattr(probe, "states", lambda queries: pytest.fail("judged again"))
    assert probe.scores([first, second], kept) == expected


def test_scores_of_another_probe_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "lint.json"
    (before,) = probe.scores([query(RESULT, "0.93")], kept)
    weights = dict(probe._weights())
    weights["bias"] += 1
    monkeypatch.setattr(probe, "_weights", lambda: weights)
    monkeypatch.setattr(probe, "_version", lambda: "another")
    assert probe.scores([query(RESULT, "0.93")], kept)[0] == pytest.approx([before[0] + 1], abs=1e-4)


def test_a_planted_direction_is_learned() -> None:
    rng = np.random.default_rng(0)
    planted = rng.normal(size=20)
    states = rng.normal(size=(4000, 20)) * np.linspace(0.5, 20, 20)  # a stream has large dimensions, too
    results = states @ planted - 3 + rng.logistic(size=4000) > 0
    direction, bias = learn(states, results)
    new = rng.normal(size=(2000, 20)) * np.linspace(0.5, 20, 20)
    agree = (new @ direction + bias > 0) == (new @ planted - 3 > 0)
    assert agree.mean() > 0.97
