"""A look as text: lens table, waterfall, heads. Plain characters; what models say is shown escaped."""

from __future__ import annotations

from mechscope.look.findings import Look, largest_parts, summary

_BAR = 36


def as_text(look: Look) -> str:
    """Everything that a terminal shows, about 90 characters wide."""
    parts = ["\n".join([f"“{_plain(look.prompt)}”", *summary(look)]), _lens(look), _waterfall(look)]
    parts.append(_heads(look))
    return "\n\n".join(parts)


def _lens(look: Look) -> str:
    lines = [
        f"Logit lens at the last token, following {look.answer_tokens[0]!r}",
        f"{'layer':>6} {'rank':>8} {'prob':>7} {'entropy':>8} {'KL':>7}  most probable",
    ]
    for row in look.lens:
        name = "embed" if row.layer < 0 else str(row.layer)
        mark = " ◂ settles" if row.layer == look.convergence else ""
        top = " ".join(repr(token) for token, _ in row.top[:4])
        lines.append(
            f"{name:>6} {row.rank:>8,} {row.probability:>7.4f} {row.entropy:>8.2f} {row.kl:>7.2f}  "
            f"{top}{mark}"
        )
    return "\n".join(lines)


def _waterfall(look: Look) -> str:
    shown = largest_parts(look, 16)
    ends, at = [], 0.0
    for _, value in shown:
        ends.append((at, at + value))
        at += value
    low = min(0.0, *(min(pair) for pair in ends))
    high = max(0.0, *(max(pair) for pair in ends))
    span = (high - low) or 1.0
    cap = " (before the soft cap)" if look.capped else ""
    lines = [f"Direct logit attribution of {look.answer_tokens[0]!r}, above the vocabulary's mean{cap}"]
    for (name, value), (start, end) in zip(shown, ends, strict=True):
        lines.append(f"{name:>16} {value:>+8.3f}  {_bar(start, end, low, span)}")
    lines.append(f"{'logit':>16} {look.logit:>+8.3f}  {_bar(0.0, at, low, span)}")
    lines.append(f"{'':>16} the parts sum to the logit within {abs(look.rounding):.0e}")
    return "\n".join(lines)


def _bar(start: float, end: float, low: float, span: float) -> str:
    left, right = sorted(round((value - low) / span * _BAR) for value in (start, end))
    return " " * left + ("█" if end >= start else "░") * max(1, right - left)


def _heads(look: Look) -> str:
    lines = ["Heads that add most"]
    lines += [f"{name:>16} {value:>+8.3f}" for name, value in look.heads[:10]]
    if look.neurons:
        lines += ["", "Neurons that add most", f"{'':>16} {'adds':>8}  activation"]
        lines += [
            f"{f'L{one.layer}N{one.neuron}':>16} {one.contribution:>+8.3f}  {one.activation:>+10.2f}"
            for one in look.neurons
        ]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Control characters (which a terminal would obey) as they are written in code."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
