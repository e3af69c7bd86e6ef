"""Looks as text: lens table, waterfall, heads; two prompts side by side. What models say is made visible."""

from __future__ import annotations

from rich.cells import cell_len

from mechscope.lens.attribution import Neuron
from mechscope.look.measure import LensRow, Look, differing_heads, largest_parts, shared_parts, summary
from mechscope.look.readable_tokens import dotted, quoted, shortened

_BAR = 36
_TITLE = 84
"""Letters of a prompt that a title has room for."""


def as_text(look: Look) -> str:
    """Everything that a terminal shows, about 90 characters wide."""
    title = quoted(shortened(look.prompt, _TITLE))
    return "\n\n".join(["\n".join([title, *summary(look)]), _lens(look), _waterfall(look), _heads(look)])


def two_as_text(first: Look, second: Look) -> str:
    """Two prompts side by side, A and B, about 110 characters wide."""
    heads = [
        f"{letter} {quoted(shortened(look.prompt, _TITLE))}\n"
        + "\n".join(f"  {sentence}" for sentence in summary(look))
        for letter, look in (("A", first), ("B", second))
    ]
    both = (first, second)
    return "\n\n".join([*heads, _two_lenses(*both), _two_sums(*both), _two_heads(*both)])


def _two_lenses(first: Look, second: Look) -> str:
    columns = f"{'rank':>8} {'prob':>7}  most probable"
    rows = [_half(row) for row in first.lens], [_half(row) for row in second.lens]
    width = max(cell_len(text) for text in (*rows[0], columns))
    lines = [
        f"Logit lens at the last token: A follows {_followed(first)}, B {_followed(second)}",
        f"{'layer':>6} {_padded('A', width)}  │ B",
        f"{'':>6} {_padded(columns, width)}  │ {columns}",
    ]
    for layer, left, right in zip((row.layer for row in first.lens), *rows, strict=True):
        name = "embed" if layer < 0 else str(layer)
        settled = {"A": first.convergence, "B": second.convergence}
        marks = "".join(f" ◂ {letter} settles" for letter, at in settled.items() if at == layer)
        lines.append(f"{name:>6} {_padded(left, width)}  │ {right}{marks}")
    return "\n".join(lines)


def _half(row: LensRow) -> str:
    top = " ".join(dotted(token) for token, _ in row.top[:3])
    return f"{row.rank:>8,} {row.probability:>7.4f}  {top}"


def _padded(text: str, width: int) -> str:
    """A text filled up to a width on screen, where Chinese letters take two columns."""
    return text + " " * (width - cell_len(text))


def _two_sums(first: Look, second: Look) -> str:
    cap = " (before the soft cap)" if first.capped else ""
    lines = [
        f"Direct logit attribution of A's {_followed(first)} and B's {_followed(second)}, above the "
        f"vocabulary's mean{cap}",
        _TWO_COLUMNS,
    ]
    lines += [_two_values(name, *values) for name, values in shared_parts([first, second], 16)]
    lines.append(_two_values("logit", first.logit, second.logit))
    rounding = max(abs(first.rounding), abs(second.rounding))
    return "\n".join([*lines, f"{'':>16} the parts sum to the logits within {rounding:.0e}"])


def _two_heads(first: Look, second: Look) -> str:
    lines = ["Heads that differ most", _TWO_COLUMNS]
    lines += [_two_values(*row) for row in differing_heads(first, second, 10)]
    if first.neurons or second.neurons:
        lines += ["", "Neurons that add most", f"{'':>6}{'A':>10} {'adds':>8} {'B':>15} {'adds':>8}"]
        pairs = zip(first.neurons, second.neurons, strict=True)
        lines += [f"{'':>6}{_neuron(a)} {'':>4} {_neuron(b)}" for a, b in pairs]
    return "\n".join(lines)


_TWO_COLUMNS = f"{'':>16} {'A':>8} {'B':>8} {'B − A':>8}"


def _two_values(name: str, a: float, b: float) -> str:
    return f"{name:>16} {a:>+8.3f} {b:>+8.3f} {b - a:>+8.3f}"


def _neuron(neuron: Neuron) -> str:
    return f"{f'L{neuron.layer}N{neuron.neuron}':>10} {neuron.contribution:>+8.3f}"


def _followed(look: Look) -> str:
    return quoted(look.answer_tokens[0])


def _lens(look: Look) -> str:
    lines = [
        f"Logit lens at the last token, following {_followed(look)}",
        f"{'layer':>6} {'rank':>8} {'prob':>7} {'entropy':>8} {'KL':>7}  most probable",
    ]
    for row in look.lens:
        name = "embed" if row.layer < 0 else str(row.layer)
        mark = " ◂ settles" if row.layer == look.convergence else ""
        top = " ".join(dotted(token) for token, _ in row.top[:4])
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
    lines = [f"Direct logit attribution of {_followed(look)}, above the vocabulary's mean{cap}"]
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
        lines += [f"      {_neuron(neuron)}  {neuron.activation:>+10.2f}" for neuron in look.neurons]
    return "\n".join(lines)
