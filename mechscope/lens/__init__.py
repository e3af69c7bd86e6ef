"""The techniques: activations in, typed results out. Nothing here knows of ledgers.

`core` is what they all stand on: tokens, the parts of a model, a forward pass, and the way to a logit.

Axes come in one order: layer, then head or neuron, then text (or item: a text and a position), then what
each holds (d_model, vocabulary, k). Head scores and patterns are made text by text, and have the text
first. Layers and heads count from 0, and a head is a `Head`. Results lie on the CPU: torch tensors where a
model's numbers are handed on, numpy arrays where statistics begin.

Import from the module that you need (`from mechscope.lens.geometry import cosines`): an analysis then
depends on that module only, and stays fresh when another one changes.
"""
