"""Settings merged as Quarto merges them, and sources read as it reads them."""

import pytest

from mechscope.errors import RenderFailed
from mechscope.ledger.notebook import Notebook
from mechscope.publish.pandoc.config import as_list, matching, merge, read_config, readable_date
from mechscope.publish.pandoc.notebook_markdown import as_markdown, fenced
from mechscope.publish.pandoc.source import parse_arguments, read_source, split_front_matter
from tests.publish.pandoc.small_paper import Paper


def test_maps_merge_lists_add_and_scalars_are_replaced() -> None:
    base = {"a": {"x": 1, "y": [1, 2]}, "b": "old", "c": "one"}
    profile = {"a": {"y": [2, 3], "z": 4}, "b": "new", "c": ["two"]}
    assert merge(base, profile) == {"a": {"x": 1, "y": [1, 2, 3], "z": 4}, "b": "new", "c": ["one", "two"]}


def test_a_profile_adds_to_the_lists_of_the_project(paper: Paper) -> None:
    config = read_config(paper.project, "small")
    assert [entry["text"] for entry in config.website["navbar"]["left"]] == ["Home", "Article"]
    shown = [paper.project.relative(path) for path in config.inputs()]
    assert shown == ["paper/index.qmd", "paper/article.qmd", "results/small/topics/notebook.ipynb"]


def test_a_page_takes_settings_from_project_folder_and_front_matter_in_this_order(paper: Paper) -> None:
    paper.write("paper/_metadata.yml", "toc: false\nkeywords: [a]\n")
    paper.write("paper/article.qmd", "---\ntitle: T\nkeywords: [b]\nformat:\n  html: {toc-depth: 2}\n---\n")
    source = read_source(paper.project, paper.root / "paper/article.qmd")
    formats = read_config(paper.project, "small").page(source.path, source.front_matter)
    assert list(formats) == ["html"]
    assert formats["html"]["toc"] is False
    assert formats["html"]["toc-depth"] == 2
    assert formats["html"]["number-sections"] is True
    assert formats["html"]["keywords"] == ["a", "b"]


def test_a_page_without_formats_has_those_of_its_folder_or_else_of_the_project(paper: Paper) -> None:
    config = read_config(paper.project, "small")
    assert list(config.page(paper.root / "paper/article.qmd", {})) == ["html", "typst"]
    assert list(config.page(paper.root / "results/small/topics/notebook.ipynb", {})) == ["html"]


def test_paths_are_relative_to_the_file_that_names_them(paper: Paper) -> None:
    paper.write("paper/article.qmd", "---\ntitle: T\nbibliography: [own.bib]\n---\n")
    source = read_source(paper.project, paper.root / "paper/article.qmd")
    settings = read_config(paper.project, "small").page(source.path, source.front_matter)["html"]
    assert settings["bibliography"] == [
        str(paper.root / "paper/references.bib"),
        str(paper.root / "paper/own.bib"),
    ]
    assert as_list(settings["css"]) == [str(paper.root / "paper/look.css")]


def test_globs_pass_over_hidden_files_unless_they_spell_them_out(paper: Paper) -> None:
    paper.write("paper/_generated/small/numbers.qmd", "x")
    paper.write("paper/_draft.qmd", "x")
    root = paper.root

    def names(*patterns: str) -> list[str]:
        return [paper.project.relative(path) for path in matching(root, list(patterns), {".qmd"})]

    assert names("paper/*.qmd") == ["paper/article.qmd", "paper/index.qmd"]
    assert names("*.qmd", "!paper/index.qmd") == ["paper/article.qmd"]
    assert names("paper/_generated/small/numbers.qmd") == ["paper/_generated/small/numbers.qmd"]
    assert names("paper/_generated/small/*.qmd") == []
    assert names("paper/_generated") == ["paper/_generated/small/numbers.qmd"]
    assert names("paper/") == ["paper/article.qmd", "paper/index.qmd"]


def test_unreadable_yaml_is_an_error_with_its_line(paper: Paper) -> None:
    paper.write("paper/article.qmd", "---\ntitle: T\nkey: [1\n---\n\nText.\n")
    with pytest.raises(RenderFailed, match=r"^paper/article\.qmd:\d: this is not YAML"):
        read_source(paper.project, paper.root / "paper/article.qmd")


def test_a_setting_of_the_site_that_is_not_known_is_named(paper: Paper) -> None:
    paper.write("_quarto-small.yml", "website:\n  announcement: Hello\n")
    with pytest.raises(RenderFailed, match="website: announcement"):
        read_config(paper.project, "small")


def test_arguments_of_shortcodes_are_read_as_quarto_reads_them() -> None:
    assert parse_arguments(" stat a.b part=ci title=\"two words\" 'x y' https://a.b/?c=d ") == [
        {"value": "stat"},
        {"value": "a.b"},
        {"name": "part", "value": "ci"},
        {"name": "title", "value": "two words"},
        {"value": "x y"},
        {"value": "https://a.b/?c=d"},
    ]


def test_front_matter_ends_where_it_ends() -> None:
    settings, body, lines = split_front_matter("---\na: 1\n---\n\nText\n\n---\n\nMore\n", "x")
    assert settings == {"a": 1}
    assert body.startswith("\nText")
    assert lines == 3
    assert split_front_matter("Text\n\n---\n", "x") == ({}, "Text\n\n---\n", 0)


def test_every_line_remembers_its_file(paper: Paper) -> None:
    paper.write("paper/_part.qmd", "one\ntwo\n")
    paper.write("paper/article.qmd", "---\ntitle: T\n---\nfirst\n{{< include _part.qmd >}}\nlast\n")
    source = read_source(paper.project, paper.root / "paper/article.qmd")
    assert [str(line) for line in source.lines] == [
        "paper/article.qmd:4",
        "paper/_part.qmd:1",
        "paper/_part.qmd:2",
        "paper/article.qmd:6",
    ]
    assert source.where("two") == "paper/_part.qmd:2"


def test_dates_read_as_the_language_has_them(paper: Paper) -> None:
    source = paper.root / "paper/article.qmd"
    assert readable_date("2026-11-03", "en-GB", source) == "3 November 2026"
    assert readable_date("2026-11-03", "en", source) == "November 3, 2026"
    assert readable_date("Spring 2026", "en", source) == "Spring 2026"


def test_code_that_holds_a_fence_is_fenced_by_a_longer_one() -> None:
    assert fenced("a\n````\nb", ".python").startswith("`````{.python}\n")


def test_a_notebook_without_outputs_or_title_is_still_a_page() -> None:
    notebook = {
        "cells": [{"cell_type": "code", "source": ["x = 1"], "outputs": [], "metadata": {}}],
        "metadata": {},
    }
    assert "{.python .cell-code}\nx = 1" in as_markdown(Notebook.model_validate(notebook))


def test_resources_are_found_in_generated_folders_too(paper: Paper) -> None:
    paper.write("paper/_generated/small/figures/a.js", "x")
    paper.write("_quarto-small.yml", "project:\n  resources: [/paper/_generated/small/figures/*.js]\n")
    shown = [paper.project.relative(path) for path in read_config(paper.project, "small").resources()]
    assert shown == ["paper/_generated/small/figures/a.js"]
