from __future__ import annotations

from pathlib import Path

import numpy as np
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


EXCEL = 'prompt,topic,hot\n" The war, it is",politics,yes\n"He said ""no"" and",talk,no\nCafé Über,lang,yes\n'
TWO_LINES = 'prompt,hot\n"one\ntwo",yes\n'


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbf" + EXCEL.encode(),
        EXCEL.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + EXCEL.replace("\n", "\r\n").encode(),
        EXCEL.replace("\n", "\r").encode(),
        EXCEL.replace("\n", ",,\n").encode(),
        EXCEL.replace("hot\n", "hot,,\n").replace("yes\n", "yes,,\n").replace("no\n", "no,,\n").encode(),
        f"{EXCEL},,\n,,\n\n".encode(),
        EXCEL.replace("hot\n", " hot \n").encode(),
        EXCEL.replace("prompt,topic,hot", '"prompt","topic","hot"').encode(),
        EXCEL.rstrip("\n").encode(),
    ],
    ids=[
        "mark",
        "CRLF",
        "mark, CRLF",
        "CR",
        "empty cells",
        "empty columns",
        "rows",
        "spaces",
        "quotes",
        "end",
    ],
)
def test_a_prompt_set_is_the_same_however_a_spreadsheet_saves_it(tmp_path, raw):
    path = tmp_path / "prompts.csv"
    path.write_bytes(raw)
    found = load_prompts(path, columns=["topic"], labels=["hot"])
    assert found.prompts == [" The war, it is", 'He said "no" and', "Café Über"]
    assert found.label("hot").tolist() == [1, 0, 1]


def test_a_cell_of_two_lines_is_the_same_before_and_after_git(tmp_path):
    found = []
    for end in ("\n", "\r\n"):
        path = tmp_path / "prompts.csv"
        path.write_bytes(TWO_LINES.replace("\n", end).encode())
        found.append(load_prompts(path).prompts)
    assert found == [["one\ntwo"]] * 2


@pytest.mark.parametrize("separator", "\v\f\x1c\x1d\x1e\x85\u2028\u2029", ids=ascii)
def test_a_separator_of_another_alphabet_stays_in_its_cell(tmp_path, separator):
    path = written(tmp_path, f"prompt,hot\none{separator}two,yes\nthree,no\n")
    assert load_prompts(path, labels=["hot"]).prompts == [f"one{separator}two", "three"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (EXCEL.replace(",", ";"), ":1: semicolons (';') separate the cells; expected were commas."),
        (EXCEL.replace(",", "\t"), ":1: tabs ('\\t') separate the cells"),
        (EXCEL.replace(",", "|"), ":1: vertical bars ('|') separate the cells"),
        ('"prompt";"hot"\n"a";"yes"\n', ":1: semicolons (';') separate the cells"),
        ("prompt;\na;\n", ":1: semicolons (';') separate the cells"),
        ("promt;hot\na;yes\n", ":1: semicolons (';') separate the cells"),
        ("sep=;\nprompt;hot\na;yes\n", ":1: 'sep=;' tells a spreadsheet what separates cells"),
        (
            "prompt,hot\na;yes\n",
            ":2: this row does not have the header's 2 cells.\n  → commas separate cells",
        ),
        ("“prompt”,hot\na,yes\n", ":1: the column 'prompt' is named in typographic quotes"),
        ("prompt,hot\n“a, b”,yes\n", "straight quotes"),
        ('prompt,hot,x\na,yes, "b, c"\n', "quotes follow the comma at once"),
        ('prompt,hot,x\na,yes, "b"\n', ":2: 'x' has a space before its quotation mark"),
        ("prompt,hot,share\na,yes,0,5\n", ":2: this row does not have the header's 3 cells"),
        ("prompt,hot,hot\na,yes,no\n", ":1: there are 2 columns called 'hot'"),
        ("prompt,hot,\na,yes,b\n", ":2: 'b' stands in a column without a name"),
        ("prompt,hot\n#NAME?,yes\n", ":2: 'prompt' is #NAME?, a spreadsheet's error"),
        ("prompt,hot\na, yes\n", ":2: 'hot' is ' yes', but must be yes or no"),
        ("prompt,hot\na,“yes”\n", ":2: 'hot' is '“yes”', but must be yes or no"),
    ],
)
def test_what_a_spreadsheet_saved_otherwise_is_named(tmp_path, text, says):
    with pytest.raises(InvalidInput) as caught:
        load_prompts(written(tmp_path, text), labels=["hot"])
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("encoding", "says"),
    [
        ("cp1252", ":4: this is not UTF-8 text: byte 0xe9 after 'Caf'."),
        ("utf-16", "this is UTF-16 or UTF-32 text, not UTF-8."),
        ("utf-16-le", ":1: this is no text: it has a NUL byte."),
    ],
)
def test_another_encoding_is_named_with_what_to_save_instead(tmp_path, encoding, says):
    path = tmp_path / "prompts.csv"
    path.write_bytes(EXCEL.encode(encoding))
    with pytest.raises(InvalidInput) as caught:
        load_prompts(path)
    assert says in str(caught.value) and '"CSV UTF-8"' in str(caught.value)


def test_quotes_that_belong_to_a_prompt_are_kept(tmp_path):
    path = written(tmp_path, 'prompt,hot\n" ""Hello"" is",yes\n“Hello” is,no\n')
    assert load_prompts(path).prompts == [' "Hello" is', "“Hello” is"]


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


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        ([True] * 5, ["a1", "b1", "a2", "b2"]),
        ([False, True, True, True, True], ["b1", "a2", "a3", "b2"]),
        ([True, False, True, True, True], ["a1", "b2"]),
        ([True, False, True, True, False], []),
    ],
)
def test_a_balanced_set_has_as_many_prompts_of_each_kind_as_the_rarest_has(tmp_path, keep, expected):
    path = tmp_path / "prompts.csv"
    path.write_text("prompt,kind\na1,a\nb1,b\na2,a\na3,a\nb2,b\n", encoding="utf-8")
    balanced = load_prompts(path, columns=["kind"]).balanced(np.array(keep), by="kind")
    assert balanced.prompts == expected
    assert balanced.codes("kind").shape == (len(expected),)


def test_a_set_is_balanced_by_a_column_that_is_there(tmp_path):
    path = tmp_path / "prompts.csv"
    path.write_text("prompt,kind\na1,a\n", encoding="utf-8")
    with pytest.raises(UnknownName, match="kind"):
        load_prompts(path).balanced(np.array([True]), by="kinds")
