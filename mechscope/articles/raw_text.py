"""What is printed of text in other languages that an article holds: HTML, Typst, LaTeX, diagrams, code.

Each function gives its text again, as long as it was, with everything blanked that no reader sees as words:
names of commands, lengths, colours, settings. None of them is a parser: they know what can hold a number that
is not printed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from mechscope.files import lines_of

_DECIMAL = r"[-−+]?(?:\d[\d,]*)?\.\d+(?:[eE][-+]?\d+)?\s*%?|[-−+]?\d+(?:[eE][-+]?\d+|\s*%)"
_LENGTH = (
    r"(?<![\w.])-?\d*\.?\d+\s*(?:pt|px|em|ex|rem|cm|mm|in|fr|deg|vh|vw|bp|pc|sp|dp|baselineskip"
    r"|\\(?:text|line|column|paper|page)(?:width|height)|\\(?:hsize|vsize|baselineskip|parskip|parindent))(?![\w])"
)
_COLOUR = r"(?:rgb|rgba|hsl|hsla|luma|cmyk|oklch|oklab)\([^()]*\)|\#[0-9a-fA-F]{3,8}\b"

_TYPST = re.compile(
    rf"""//[^\n]*|/\*[\s\S]*?\*/|\#(?:set|show|import|include|pagebreak|counter)\b[^\n\[]*
    |\b[a-z][\w-]*\s*:\s*(?:\([^()]*\)|{_COLOUR}|"[^"]*"|[^,()\[\]\n"]+)(?=\s*[,)])
    |{_COLOUR}|{_LENGTH}|\#[\w.-]+|<[\w:-]+>|@[\w:-]+|\b(?:columns|image|rotate|scale)\([^()]*\)""",
    re.VERBOSE,
)
SETTINGS_OF_LATEX = re.compile(
    rf"""\\(?:
        (?:[vh]space|setlength|addtolength|setcounter|addtocounter|label|(?:eq|page|auto|c|C)?ref|cite\w*|input|include
        |usepackage|documentclass|definecolor|color|fontsize|rule|end|cmidrule|includegraphics|cline|pagestyle
        |thispagestyle|bookmark)\b\*? (?:\[[^\]\n]*\]|\([^()\n]*\)|\{{[^{{}}\n]*\}})*
        | begin\{{[^{{}}\n]*\}} (?:\[[^\]\n]*\])? (?:\{{(?:[lcrpmbXS|@!<>*\s\{{\}}]*|{_LENGTH})\}})?
        | (?:textcolor|colorbox|href|parbox|raisebox|scalebox|rotatebox)\b (?:\[[^\]\n]*\])* \{{[^{{}}\n]*\}}
        | (?:makebox|framebox|hyperref)\b (?:\[[^\]\n]*\])*
        | (?:resizebox|multicolumn|multirow|fcolorbox)\b \{{[^{{}}\n]*\}} \{{[^{{}}\n]*\}}
        | (?:re)?newcommand\{{?\\(?:arraystretch|baselinestretch|tabcolsep)\}}?\{{[^{{}}\n]*\}}
        | [vh]skip\b)""",
    re.VERBOSE,
)
"""Commands with those of their arguments that are not printed."""
_LATEX = re.compile(
    rf"""(?<!\\)%[^\n]*|{SETTINGS_OF_LATEX.pattern}|{_LENGTH}|\\[A-Za-z@]+\*?(?:\[[^\]\n]*\])?|\{{,\}}""",
    re.VERBOSE,
)
_MERMAID = re.compile(
    r"""%%[^\n]*|^[ \t]*(?:style|classDef|class|linkStyle|click|direction|accTitle|config|theme)\b[^\n]*
    |^[ \t]*(?:graph|flowchart|sequenceDiagram|stateDiagram-v2|classDiagram|pie|gantt|timeline)\b
      [ \t]*(?:LR|RL|TD|TB|BT)?
    |:[ \t]*(?:\w+,[ \t]*)*(?:\d{4}-\d\d-\d\d|after[ \t]\w+)[^\n]*
    |:::\w+|\A---[\s\S]*?\n---""",
    re.VERBOSE | re.MULTILINE,
)
_NODE = re.compile(
    r"""(?:^[ \t]*|[\[({|">][ \t]*|\bas[ \t])(?:[A-Za-z-]+[ \t]){0,2}
    (?:layer|block|head|position|token|step|stage|phase|part|input|output|MLP|att(?:entio)?n|resid\w*|expert)s?
    [ \t]\d+(?:\.\d+)?(?:[ \t(:,][^\d\])}|"<\n]*\)?)?(?=[\])}|"<:-]|$)""",
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
"""A label that is but the name of a part, as "Block 0"."""
_DOT = re.compile(
    r"""//[^\n]*|^[ \t]*\#[^\n]*|/\*[\s\S]*?\*/
    |\b(?!(?:x|head|tail)?label\b|tooltip\b)[A-Za-z]\w*\s*=\s*(?:"[^"\n]*"|[^\s,;\]"]+)""",
    re.VERBOSE | re.MULTILINE,
)

_MEASURE = (
    r"(?:\w*(?:acc(?:uracy)?|loss|auroc|auc|auprc|f1|score|cos(?:ine)?|corr(?:elation)?|rho|kl|ppl|perplexity"
    r"|error|mse|rmse|recall|precision|share|effect|diff(?:erence)?|mean|median|std|prob(?:ability)?|logits?"
    r"|ratio|rate|fraction|p_?value|variance|similarity|r2|nats|bits|gain|drop|rise))"
)
_STATED = re.compile(
    rf"""(?<![\w.\[-])["']?{_MEASURE}["']?\s*(?:[:=≈~]|is)\s*["']?(?P<number>{_DECIMAL})(?![\w.(*/])""",
    re.VERBOSE | re.IGNORECASE,
)
_ALONE = re.compile(
    rf"""^[\s|>\[(\#→=\-]*(?:Out\[\d+\]:\s*)?(?P<number>(?:{_DECIMAL})(?:\s*(?:±|\+/-|,|–|to|;)\s*(?:{_DECIMAL}))*|\d\d+/\d\d+)
    [\s|\])]*(?:{_MEASURE}|nats|bits|ms|s|%|correct|right|solved)?\s*$""",
    re.VERBOSE,
)
_PRINTED_NUMBER = re.compile(r"(?<![\w.])[-−+]?(?:\d[\d,]*)?\.?\d+(?:[eE][-+]?\d+)?(?!\w|\.\d)(?:\s?%)?")
_REMARK = re.compile(rf"\#+\s*(?:->|→|=>|>|prints:?|gives:?|=|:)?\s*(?P<number>{_DECIMAL})\s*$")
_QUOTED = re.compile(r""""((?:\\.|[^"\\\n])*)"|'((?:\\.|[^'\\\n])*)'|`((?:\\.|[^`\\])*)`""")
_WRITTEN = re.compile(
    r"(?:textContent|innerText|innerHTML|value)\s*=\s*(?P<number>[-−+]?\d[\d.]*)|\bwrite\((?P<argument>[-−+]?\d[\d.]*)\)"
)
_CONTENT = re.compile(r"content\s*:\s*(?P<value>[^;}]*)")
_PRINTED = re.compile(
    rf"\s*(?:{_DECIMAL}|\d+)\s*|.*(?:[^\W\d_]{{2,}}|%|>)\s+[\s\S]*\d[\s\S]*|[\s\S]*>\s*\d[\s\S]*"
)

_TAG = re.compile(r"""</?[A-Za-z][^<>"']*(?:"[^"]*"[^<>"']*|'[^']*'[^<>"']*)*>""")
_HIDDEN = re.compile(
    r"<!--[\s\S]*?-->|<(?P<raw>script|style)\b(?P<body>[^>]*>[\s\S]*?)</(?P=raw)>", re.IGNORECASE
)
_ATTRIBUTE = re.compile(
    r"""(?<![\w-])(?P<name>[\w:-]+)\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'=<>`]+))"""
)
_SHOWN_ATTRIBUTES = {
    "alt", "title", "aria-label", "aria-description", "aria-valuetext", "placeholder", "summary",
    "label", "abbr", "srcdoc", "fig-alt", "fig-cap", "tbl-cap", "lst-cap", "fig-scap", "description",
    "caption", "content", "data-caption", "data-title", "data-label", "data-description",
    "data-tooltip", "data-bs-title", "data-value", "data-text", "data-score", "data-before",
    "data-after", "data-bs-content", "data-bs-original-title", "data-tippy-content", "filename",
    "lst-title",
}  # fmt: skip
_INLINE_TAGS = {
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i",
    "ins", "kbd", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time",
    "tt", "u", "var", "wbr", "nobr",
}  # fmt: skip


def attribute_values(tag: str) -> Iterator[tuple[str, int, int]]:
    """The attributes of a tag, or between braces: each name, and where its value begins and ends."""
    for match in _ATTRIBUTE.finditer(tag):
        group = next(name for name in ("double", "single", "bare") if match[name] is not None)
        yield match["name"].lower(), *match.span(group)


def is_shown(name: str, tag: str = "") -> bool:
    """Whether readers see (or hear) the value of an attribute."""
    shown_value = name == "value" and tag in ("meter", "progress", "input", "button", "li", "option", "data")
    return name in _SHOWN_ATTRIBUTES or shown_value


def printed_attributes(text: str) -> set[str]:
    """The attributes that a style in the text prints: those that `content: attr(…)` names."""
    return {
        name.lower() for value in _CONTENT.findall(text) for name in re.findall(r"\battr\(\s*([\w-]+)", value)
    }


def tag_name(tag: str) -> str:
    """The name of an HTML tag, in small letters."""
    match = re.match(r"</?([A-Za-z][\w-]*)", tag)
    return match[1].lower() if match else ""


def parts_words(tag: str) -> bool:
    """Whether what comes before and after a tag are words apart, as in a cell; not as around `<b>`."""
    return tag_name(tag) not in _INLINE_TAGS


def html(text: str) -> str:
    """Raw HTML, with what its attributes, styles and scripts show."""
    kept = list(text)
    printed = printed_attributes(text)
    for hidden in _HIDDEN.finditer(text):
        shown = hidden_text(hidden.group())
        kept[hidden.start() : hidden.end()] = shown
    for tag in _TAG.finditer("".join(kept)):
        fill = _blanked(tag.group())
        for name, start, end in attribute_values(tag.group()):
            if is_shown(name, tag_name(tag.group())) or name in printed:
                fill = fill[:start] + tag.group()[start:end] + fill[end:]
        kept[tag.start() : tag.end()] = (
            fill if parts_words(tag.group()) or fill.strip() else fill.replace(" ", "\ufff9")
        )
    return "".join(kept)


def hidden_text(element: str) -> str:
    """What a comment, a script or a style shows: what a script writes, and `content: "…"`."""
    kept = list(_blanked(element))
    if element.startswith("<!--"):
        return "".join(kept).replace(" ", "\ufff9")
    for match in (
        _CONTENT.finditer(element) if tag_name(element) == "style" else [re.match(r"[\s\S]*", element)]
    ):
        assert match
        for quoted in _QUOTED.finditer(element, match.start(), match.end()):
            group = next(number for number in (1, 2, 3) if quoted[number] is not None)
            if _PRINTED.fullmatch(quoted[group]):
                kept[slice(*quoted.span(group))] = quoted[group]
    if tag_name(element) == "script":
        for match in _WRITTEN.finditer(element):
            group_name = "number" if match["number"] else "argument"
            kept[slice(*match.span(group_name))] = match[group_name]
    return "".join(kept)


def typst(text: str) -> str:
    """Raw Typst."""
    return _without(_TYPST, text)


def latex(text: str) -> str:
    """Raw LaTeX, and LaTeX's commands in Markdown."""
    return _without(_LATEX, text)


def mermaid(text: str) -> str:
    """A Mermaid diagram."""
    return _without(_NODE, _without(_MERMAID, text))


def dot(text: str) -> str:
    """A Graphviz diagram."""
    return _without(_NODE, _without(_DOT, text))


def code(text: str) -> str:
    """Code: only what it states as a result, as `loss=3.17`, or a line of its output that is but a number."""
    kept = list(_blanked(text))
    offset = 0
    for line in lines_of(text, keepends=True):
        content = line.rstrip("\n")
        matches = list(_STATED.finditer(content))
        matches += [match for match in (_ALONE.match(content), _REMARK.search(content)) if match]
        for start, end in (match.span("number") for match in matches):
            kept[offset + start : offset + end] = content[start:end]
        offset += len(line)
    return "".join(kept)


def output(text: str) -> str:
    """Numbers that a program printed, or in code in a sentence; none in a name or a commit ("283e839")."""
    kept = list(_blanked(text))
    for match in _PRINTED_NUMBER.finditer(text):
        kept[match.start() : match.end()] = match.group()
    return "".join(kept)


RAW: dict[str, Callable[[str], str]] = {
    "html": html, "html5": html, "html4": html, "typst": typst, "latex": latex, "tex": latex, "pdf": latex,
    "beamer": latex, "context": latex, "markdown": html, "openxml": html, "opendocument": html, "epub": html,
}  # fmt: skip
"""What is printed of raw text, by the format that it is for."""

BLOCKS: dict[str, Callable[[str], str]] = {
    "mermaid": mermaid, "dot": dot, "graphviz": dot,
    "": output, "text": output, "txt": output, "plain": output, "default": output, "output": output,
    "console": output, "log": output, "csv": output, "tsv": output,
}  # fmt: skip
"""What is printed of fenced text, by its language; of any other language: `code`."""


def _blanked(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _without(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda match: _blanked(match.group()), text)
