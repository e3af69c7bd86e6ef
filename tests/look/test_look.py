from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from mechscope.cli import cli
from mechscope.errors import InvalidInput
from mechscope.look.findings import largest_parts, look_at
from mechscope.look.page import as_page, in_cell, quoted
from mechscope.look.terminal import as_text


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
    assert "does not know the answer 'w9 w8' (2 tokens" in text


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
    assert "as a word of its own it is ' w9'." in as_text(look_at(bridge, "w1 w2", "w9"))
    assert "as a word of its own" not in as_text(look_at(bridge, "w1 w2", " w9"))


def test_prompts_that_cannot_be_looked_at_are_refused(bridge):
    with pytest.raises(InvalidInput, match="the prompt is empty"):
        look_at(bridge, " ")
    with pytest.raises(InvalidInput, match="the answer is empty"):
        look_at(bridge, "w1", "")
    with pytest.raises(InvalidInput, match="the model reads 64"):
        look_at(bridge, "w1 " * 65)


def test_the_command_names_what_is_wrong_in_one_line():
    empty = CliRunner().invoke(cli, ["look", ""])
    assert empty.exit_code == 1 and "the prompt is empty" in empty.output
    unknown = CliRunner().invoke(cli, ["look", "w1", "--model", "smollm2-135n"])
    assert unknown.exit_code == 1 and "did you mean 'smollm2-135m'" in unknown.output


def test_the_command_prints_and_writes_a_page(bridge, monkeypatch, tmp_path):
    monkeypatch.setattr("mechscope.models.load_model", lambda name: bridge, raising=False)
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


def test_white_space_of_a_token_is_shown_by_signs_of_one_kind():
    assert [in_cell(token) for token in (" ", "\n\n", "\xa0", " a", "\u2028", "\t")] == [
        "␣",
        "↵↵",
        "⍽",
        "a",
        "⟨U+2028⟩",
        "⇥",
    ]
    assert quoted(" Austin") == "“ Austin”" and quoted("  ") == "“␣␣”"


def test_a_page_in_a_folder_that_is_not_there_is_refused_before_the_model_is_loaded(monkeypatch, tmp_path):
    loaded = []
    monkeypatch.setattr("mechscope.models.load_model", loaded.append, raising=False)
    page = tmp_path / "none" / "x.html"
    result = CliRunner().invoke(cli, ["look", "w1 w2", "--page", str(page)])
    assert result.exit_code == 1 and f"there is no folder {page.parent}" in result.output
    assert not loaded and not page.parent.exists()
