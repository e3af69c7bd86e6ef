from __future__ import annotations

from pathlib import Path

import pytest

from mechscope.data.prompts import analysis_file, load_prompts, load_words
from mechscope.errors import InvalidInput, UnknownName

ROOT = Path(__file__).parents[2]


def written(folder: Path, text: str) -> Path:
    path = folder / "prompts.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_prompts_keep_their_spaces_and_labels_become_numbers(tmp_path):
    path = written(tmp_path, 'prompt,kind,hot\n a is,x,yes\n"b, c is",y,no\nd is,x,no\n')
    found = load_prompts(path, columns=["kind"], labels=["hot"])
    assert found.prompts == [" a is", "b, c is", "d is"]
    assert found.label("hot").tolist() == [1, 0, 0]
    assert found.codes("kind").tolist() == [0, 1, 0]
    assert len(found) == 3


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("prompt,hot\n", "", "no rows"),
        ("prompt,hot\na,yes\na,no\n", ":3", "stands in line 2"),
        ("prompt,hot\na,yes\n  ,no\n", ":3", "'prompt' is empty"),
        ("prompt,hot\na,Yes\n", ":2", "must be yes or no"),
        ("prompt,hot\na,yes,more\n", ":2", "2 cells"),
        ("prompt,hot\na\n", ":2", "2 cells"),
        ('prompt,hot\n"a,yes\n', ":2", "not valid CSV"),
    ],
)
def test_a_faulty_prompt_set_is_refused_with_file_and_line(tmp_path, text, line, says):
    path = written(tmp_path, text)
    with pytest.raises(InvalidInput) as caught:
        load_prompts(path, labels=["hot"])
    assert f"{path}{line}" in str(caught.value)
    assert says in str(caught.value)


def test_a_missing_column_names_the_nearest(tmp_path):
    path = written(tmp_path, "prompt,controversal\na,yes\n")
    with pytest.raises(UnknownName, match="did you mean 'controversal'"):
        load_prompts(path, labels=["controversial"])


def test_files_that_are_missing_or_no_text_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="no such file"):
        load_prompts(tmp_path / "none.csv")
    path = tmp_path / "bytes.csv"
    path.write_bytes(b"prompt\n\xff\xfe\n")
    with pytest.raises(InvalidInput, match="UTF-8"):
        load_prompts(path)


def test_word_lists_hold_single_words_in_lower_case(tmp_path):
    path = tmp_path / "words.csv"
    path.write_text("word,kind\ngood,general\nunfair,moral\n")
    assert load_words(path) == {"good": "general", "unfair": "moral"}
    for wrong in ("Good", "very good"):
        path.write_text(f"word,kind\n{wrong},general\n")
        with pytest.raises(InvalidInput, match=":2"):
            load_words(path)


def test_an_analysis_finds_its_files_from_anywhere_in_the_project(tmp_path, monkeypatch):
    (tmp_path / "analyses" / "data").mkdir(parents=True)
    (tmp_path / "analyses" / "runs.yml").write_text("default: a\n")
    (tmp_path / "analyses" / "data" / "topics.csv").write_text("prompt\na\n")
    (tmp_path / "secret.csv").write_text("x")
    for folder in (tmp_path, tmp_path / "analyses"):
        monkeypatch.chdir(folder)
        assert analysis_file("data/topics.csv") == tmp_path / "analyses" / "data" / "topics.csv"
    with pytest.raises(UnknownName, match="did you mean 'data/topics.csv'"):
        analysis_file("data/topic.csv")
    with pytest.raises(InvalidInput, match="outside"):
        analysis_file("../secret.csv")


def test_the_topics_are_designed_as_the_analysis_says():
    first = load_prompts(
        ROOT / "analyses/data/topics.csv", columns=["topic", "category"], labels=["controversial", "abstract"]
    )
    assert sorted(first.column("category").count(kind) for kind in set(first.column("category"))) == [5] * 4
    assert first.prompts == [f"{topic} is" for topic in first.column("topic")]
    crossed = load_prompts(
        ROOT / "analyses/data/topics_crossed.csv",
        columns=["topic", "category"],
        labels=["controversial", "abstract"],
    )
    cells = list(
        zip(crossed.label("controversial").tolist(), crossed.label("abstract").tolist(), strict=True)
    )
    assert {cell: cells.count(cell) for cell in cells} == {(1, 1): 25, (1, 0): 25, (0, 1): 25, (0, 0): 25}
    assert crossed.prompts == [f" {topic} is" for topic in crossed.column("topic")]
    assert len(load_words(ROOT / "analyses/data/evaluative_words.csv")) > 100
