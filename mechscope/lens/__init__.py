"""The techniques: activations in, typed results out. Nothing here knows of ledgers.

`core` is what they all stand on: tokens, the parts of a model, a forward pass, and the way to a logit.

Import from the module that you need (`from mechscope.lens.geometry import cosines`): an analysis then depends
on that module only, and stays fresh when another one changes.
"""
