from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from mechscope.cli import cli
from mechscope.errors import InvalidInput
from mechscope.look.measure import as_json, differing_heads, largest_parts, look_at, shared_parts
from mechscope.look.page import as_page, page_of_two
from mechscope.look.terminal import as_text, two_as_text


def test_parts_of_a_look_sum_to_the_centred_logit(bridge):
    found = look_at(bridge, "w1 w2 w3", "w9")
    ids = torch.tensor([bridge.tokenizer("w1 w2 w3", add_special_tokens=False)["input_ids"]])
    with torch.no_grad():
        logits = bridge(ids)[0, -1]
    expected = float(logits[12] - logits.mean())
    assert sum(value for _, value in found.parts) == pytest.approx(expected, abs=1e-3)
    assert sum(value for _, value in largest_parts(found, 4)) == pytest.approx(expected, abs=1e-3)
    assert found.rank == 1 + int((logits > logits[12]).sum())


def test_without_an_answer_the_models_own_is_followed(bridge):
    found = look_at(bridge, "w1 w2 w3")
    assert not found.given and found.rank == 1 and found.answer_tokens == (found.says,)


def test_an_answer_of_several_tokens_is_scored_whole_and_an_unknown_one_reported(bridge):
    found = look_at(bridge, "w1 w2", "w9 w8")
    assert found.answer_tokens == ("w9", "w8")
    assert found.log_prob < torch.tensor(found.lens[-1].probability).log()
    assert not found.known
    text = as_text(found)
    assert "does not know the answer “w9 w8” (2 tokens" in text


def test_the_terminal_shows_every_layer_and_the_sum(bridge):
    found = look_at(bridge, "w1 w2 w3", "w9")
    text = as_text(found)
    for name in ("embed", "Logit lens", "Direct logit attribution", "Heads that add most", "Neurons"):
        assert name in text
    assert f"{found.logit:>+8.3f}" in text
    assert text.count("settles") >= 1


def test_the_page_asks_nothing_of_the_network_and_escapes_everything(bridge):
    page = as_page(look_at(bridge, "w1 <script>alert(1)</script> w3", "w9"))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"'\s>)]+)""", page)
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert page.count("<svg") == 3


def test_a_long_prompt_has_a_page_with_the_end_of_its_grid(bridge):
    page = as_page(look_at(bridge, "w1 " * 59 + "w2"))
    assert "here of the last 24 of 60" in page and "59 w2" in page and "35 w1" not in page
    assert "here of the last" not in as_page(look_at(bridge, "w1 w2"))


def test_a_page_is_made_of_more_cells_than_a_chart_may_hold(bridge):
    found = look_at(bridge, "w1 w2 w3")
    cells = tuple(replace(found.cells[0], position=at % 200, layer=at // 200) for at in range(6_000))
    assert "here of the last 24 of 200" in as_page(replace(found, cells=cells))


def test_an_answer_that_would_go_on_with_the_last_word_is_pointed_out(bridge):
    assert "as a word of its own it is “ w9”." in as_text(look_at(bridge, "w1 w2", "w9"))
    assert "as a word of its own" not in as_text(look_at(bridge, "w1 w2", " w9"))


def test_prompts_that_cannot_be_looked_at_are_refused(bridge):
    with pytest.raises(InvalidInput, match="the prompt is empty"):
        look_at(bridge, " ")
    with pytest.raises(InvalidInput, match="the answer is empty"):
        look_at(bridge, "w1", "")
    with pytest.raises(InvalidInput, match="the model reads 64"):
        look_at(bridge, "w1 " * 65)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([""], 1, "the prompt is empty"),
        (["w1", "\n "], 1, "the prompt is empty"),
        (["w1", "--answer", " "], 1, "the answer is empty"),
        (["w1", "--model", "smollm2-135n"], 1, "did you mean 'smollm2-135m'"),
        (["caf\udce9"], 1, "'caf\\udce9' is not text in UTF-8"),
        (["w1", "--answer", "caf\udce9"], 1, "is not text in UTF-8"),
        (["w1", "--model", "12"], 1, "unknown model '12'"),
        (["w1", "--model", ""], 1, "unknown model ''"),
        (["w1", "--model", "./nowhere"], 1, "no folder nowhere"),
        (["w1", "--page", "none/x.html"], 1, "there is no folder none"),
        (["w1", "--page", "."], 2, "is a directory"),
        ([], 2, "Missing argument"),
        (["The", "capital", "of", "Texas"], 2, 'is quoted: "The capital of Texas"'),
        (["w1", "--answer", "a", "--answer", "b"], 2, "2 answers for one prompt"),
        (["w1", "w2", "--answer", "a", "--answer", "b", "--answer", "c"], 2, "3 answers for two prompts"),
        (["w1", "--anwser", "a"], 2, "did you mean '--answer'"),
        (["w1", "--layer", "99"], 2, "there is no option '--layer'"),
    ],
)
def test_a_mistake_is_named_before_anything_is_loaded(words, code, says, tmp_path):
    program = (
        "import sys\nfrom mechscope.cli import cli\n"
        f"try:\n    cli({['look', *words]!r})\n"
        "finally:\n    print('HEAVY', sorted({'torch', 'transformers', 'altair'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == code and says in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == "HEAVY []\n" and not list(tmp_path.iterdir())


def test_the_command_prints_and_writes_a_page(bridge, monkeypatch, tmp_path):
    monkeypatch.setattr("mechscope.models.load_model", lambda name, **how: bridge, raising=False)
    page = tmp_path / "one.html"
    result = CliRunner().invoke(cli, ["look", "w1 w2", "--answer", "w9", "--page", str(page)])
    assert result.exit_code == 0, result.output
    assert "Heads that add most" in result.output
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_page_says_which_token_it_looks_at_and_does_not_read_as_the_models_answer(bridge):
    own = look_at(bridge, "w1 w2")
    assert f"<h1>How “w1 w2” comes to “{own.says}”</h1>" in as_page(own)
    other = next(word for word in ("w8", "w9") if word != own.says)
    page = as_page(look_at(bridge, "w1 w2", other))
    assert f"<h1>“{other}” after “w1 w2”</h1>" in page and f"<title>“{other}” after “w1 w2”</title>" in page


def test_the_page_writes_numbers_with_a_minus_and_tokens_in_typographic_quotes(bridge):
    page = re.sub(r"<svg.*?</svg>", "", as_page(look_at(bridge, "w1 w2", "w9")), flags=re.DOTALL)
    text = re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)
    assert "the answer “w9” (one token): Σ log p = −" in text
    assert not re.search(r"(?<!\w)(-\d|'\w)", text.replace("&#x27;", "'"))


def test_a_page_in_a_folder_that_is_not_there_is_refused_before_the_model_is_loaded(monkeypatch, tmp_path):
    loaded = []
    monkeypatch.setattr("mechscope.models.load_model", lambda name, **how: loaded.append(name), raising=False)
    page = tmp_path / "none" / "x.html"
    result = CliRunner().invoke(cli, ["look", "w1 w2", "--page", str(page)])
    assert result.exit_code == 1 and f"there is no folder {page.parent}" in result.output
    assert not loaded and not page.parent.exists()


def test_two_prompts_are_shown_side_by_side_with_what_differs(bridge, monkeypatch, tmp_path):
    monkeypatch.setattr("mechscope.models.load_model", lambda name, **how: bridge, raising=False)
    page = tmp_path / "two.html"
    words = ["look", "w1 w2", "w3 w4", "--answer", "w9", "--page", str(page)]
    said = CliRunner().invoke(cli, words).output
    first, second = look_at(bridge, "w1 w2", "w9"), look_at(bridge, "w3 w4", "w9")
    difference = second.logit - first.logit
    assert f"logit {first.logit:>+8.3f} {second.logit:>+8.3f} {difference:>+8.3f}" in said
    assert "A “w1 w2”" in said and "B “w3 w4”" in said
    for a, b in zip(first.lens, second.lens, strict=True):
        assert re.search(rf"{a.rank} +{a.probability:.4f} .*│ +{b.rank} +{b.probability:.4f} ", said)
    written = page.read_text(encoding="utf-8")
    assert written.count("<svg") == 5 and "“w1 w2” and “w3 w4”" in written
    assert "Heads that differ most" in written


def test_two_answers_belong_to_two_prompts(bridge, monkeypatch, tmp_path):
    monkeypatch.setattr("mechscope.models.load_model", lambda name, **how: bridge, raising=False)
    words = ["look", "w1 w2", "w3 w4", "--answer", "w9", "--answer", "w8", "--json"]
    looks = json.loads(CliRunner().invoke(cli, words).stdout)["looks"]
    assert [(one["prompt"], one["answer"]) for one in looks] == [("w1 w2", "w9"), ("w3 w4", "w8")]


def test_parts_that_two_prompts_share_keep_both_sums_and_heads_come_by_their_difference(bridge):
    first, second = look_at(bridge, "w1 w2", "w9"), look_at(bridge, "w3 w4 w5", "w9")
    parts = shared_parts([first, second], 4)
    assert len(parts) == 4
    for at, look in enumerate((first, second)):
        assert sum(values[at] for _, values in parts) == pytest.approx(look.logit, abs=1e-3)
    heads = differing_heads(first, second, 5)
    gaps = [abs(b - a) for _, a, b in heads]
    assert gaps == sorted(gaps, reverse=True) and len(gaps) == 5
    assert dict(second.heads)[heads[0][0]] == heads[0][2]


def test_json_holds_what_the_terminal_shows_and_writes_no_page_unless_asked(bridge, monkeypatch, tmp_path):
    monkeypatch.setattr("mechscope.models.load_model", lambda name, **how: bridge, raising=False)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["look", "w1 w2", "--json"])
    (look,) = json.loads(done.stdout)["looks"]
    assert look["prompt"] == "w1 w2" and len(look["lens"]) == bridge.cfg.n_layers + 1
    assert sum(part["adds"] for part in look["parts"]) == pytest.approx(look["logit"], abs=1e-3)
    assert set(look["lens"][0]["top"][0]) == {"token", "probability"}
    assert not list(tmp_path.iterdir())
    done = CliRunner().invoke(cli, ["look", "w1 w2", "--json", "--page", "x.html"])
    assert json.loads(done.stdout) and (tmp_path / "x.html").is_file()
    assert as_json([look_at(bridge, "w1 w2")]) in done.stdout


def test_what_is_being_done_is_said_on_standard_error(bridge, monkeypatch, tmp_path):
    monkeypatch.setattr("mechscope.models.load_model", lambda name, **how: bridge, raising=False)
    done = CliRunner().invoke(cli, ["look", "w1 w2", "--page", str(tmp_path / "x.html")])
    assert done.stderr.splitlines() == [
        "starting PyTorch …",
        "loading smollm2-135m …",
        "reading the prompt …",
    ]
    assert "loading" not in done.stdout


def test_a_title_of_a_long_prompt_is_short_and_the_page_has_all_of_it(bridge):
    long = "w1 " * 30 + "w5 " * 29 + "w2"
    page = as_page(look_at(bridge, long))
    title = re.search(r"<title>(.*)</title>", page)[1]
    assert len(title) < 100 and "w1 … w5" in title
    assert page.count(long) == 1 and "The whole prompt" in page
    assert max(map(len, as_text(look_at(bridge, long)).splitlines())) < 120
    assert "The whole prompt" not in as_page(look_at(bridge, "w1 w2"))
    both = page_of_two(look_at(bridge, long), look_at(bridge, "w1 w2"))
    assert len(re.search(r"<title>(.*)</title>", both)[1]) < 100 and both.count(long) == 1
    assert max(map(len, two_as_text(look_at(bridge, long), look_at(bridge, "w1")).splitlines())) < 120
