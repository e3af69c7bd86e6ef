"""A small project of its own, so that the engine is tested apart from the paper."""

import json
from pathlib import Path
from textwrap import dedent

from mechscope.project import Project
from mechscope.publish.pandoc import render_run
from mechscope.publish.staging import Built

FILES = {
    "analyses/runs.yml": "default: small\nruns:\n  small: {title: Small}\n",
    "_quarto.yml": """\
        project:
          type: website
          render: [paper/index.qmd]
        website:
          title: Small things
          navbar:
            logo-href: paper/index.qmd
            left:
              - {text: Home, href: paper/index.qmd}
        lang: en-GB
        bibliography: paper/references.bib
        filters: [house]
        format:
          html: {toc: true, css: paper/look.css, number-sections: true}
          typst: {number-sections: true}
        """,
    "_quarto-small.yml": """\
        project:
          render: [paper/article.qmd, results/small/*/notebook.ipynb]
        website:
          navbar:
            left:
              - {text: Article, href: paper/article.qmd}
        """,
    "results/_metadata.yml": "format: html\n",
    "_extensions/house/_extension.yml": """\
        title: House
        contributes:
          shortcodes: [shortcodes.lua]
          filters: [filter.lua]
        """,
    "_extensions/house/words.lua": 'return { greeting = "fish & <chips>" }\n',
    "_extensions/house/shortcodes.lua": """\
        local words = require("words")
        return {
          say = function(args, kwargs, meta, raw, context)
            local text = args[1] and pandoc.utils.stringify(args[1]) or words.greeting
            local mark = pandoc.utils.stringify(kwargs["mark"])
            if context == "text" then return text .. mark end
            return pandoc.Strong({ pandoc.Str(text .. mark) })
          end,
          context = function(_, _, _, _, context) return context end,
          figure = function(args)
            local image = pandoc.Image({ pandoc.Str("alt") }, "chart.svg", "",
              pandoc.Attr("", {}, { ["fig-alt"] = "A chart" }))
            return quarto.FloatRefTarget({ type = "Figure", identifier = "fig-" .. args[1],
              content = pandoc.Blocks({ pandoc.Plain({ image }) }),
              caption_long = pandoc.Plain({ pandoc.Str("Shortcoded.") }) })
          end,
          count = function()
            local file = io.open(quarto.project.directory .. "/count.txt")
            local text = file and file:read("a") or "none"
            if file then file:close() end
            return pandoc.Str(text)
          end,
          popover = function()
            quarto.doc.add_html_dependency({ name = "house", version = "1", scripts = { "house.js" } })
            return "popover"
          end,
          refuse = function(args)
            quarto.log.error("there is no '" .. args[1] .. "'")
            os.exit(1)
          end,
        }
        """,
    "_extensions/house/house.js": "// a script\n",
    "_extensions/house/filter.lua": """\
        function Div(div)
          if div.classes:includes("house-drop") then return {} end
        end
        """,
    "paper/references.bib": """\
        @article{elhage2021,
          title = {A Mathematical Framework for Transformer Circuits},
          author = {Elhage, Nelson and Nanda, Neel},
          journal = {Transformer Circuits Thread},
          year = {2021},
        }
        """,
    "paper/look.css": "body { margin: 0; }\n",
    "paper/chart.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="200">'
    '<rect width="400" height="200" fill="#dde"/>'
    '<text x="20" y="60" font-family="sans-serif" font-size="24">Cosine similarity</text></svg>\n',
    "paper/index.qmd": "---\ntitle: Home\nformat: html\n---\n\nSee [the article](article.qmd#sec-one).\n",
    "paper/article.qmd": "---\ntitle: An article\n---\n\n## One {#sec-one}\n\nText.\n",
}

NOTEBOOK = {
    "cells": [
        {
            "cell_type": "markdown",
            "id": "a",
            "metadata": {},
            "source": ["# Topics\n", "\n", "Some **words**."],
        },
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {"tags": ["parameters"]},
            "execution_count": 1,
            "source": "seed = 0\nprint('{{< say hello >}}')",
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["{{< say hello >}} <b>\n"]},
                {
                    "output_type": "display_data",
                    "metadata": {},
                    "data": {
                        "text/html": ['<div id="record-best"><em>best</em> = 0.3</div>'],
                        "text/plain": ["best = 0.3"],
                        "application/vnd.mechscope.record+json": {"name": "best"},
                    },
                },
            ],
        },
    ],
    "metadata": {"kernelspec": {"language": "python", "name": "python3", "display_name": "Python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


class Paper:
    """A project in a temporary folder: write files, render, read what came out."""

    def __init__(self, root: Path) -> None:
        self.project = Project(root)
        self.output = root / "_site" / "small"
        for name, text in FILES.items():
            self.write(name, text)
        self.write("results/small/topics/notebook.ipynb", json.dumps(NOTEBOOK))

    @property
    def root(self) -> Path:
        return self.project.root

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    def article(self, body: str, front: str = "title: An article", *, pdf: bool = False) -> None:
        """Replace the article; only its web page is rendered unless `pdf`."""
        formats = "" if pdf else "\nformat: html"
        self.write(
            "paper/article.qmd", f"---\n{front}{formats}\n---\n\n## One {{#sec-one}}\n\n" + dedent(body)
        )

    def render(self, **options: object) -> Built:
        return render_run(self.project, "small", output=self.output, **options)  # type: ignore[arg-type]

    def page(self, name: str = "paper/article.html") -> str:
        return (self.output / name).read_text(encoding="utf-8")

    def snapshot(self) -> dict[str, bytes]:
        """Every file of the site."""
        return {
            path.relative_to(self.output).as_posix(): path.read_bytes()
            for path in sorted(self.output.rglob("*"))
            if path.is_file()
        }
