"""The techniques: activations in, typed results out. Nothing here knows of ledgers.

Import from the module that you need (`from mechscope.lens.geometry import cosines`): an analysis then depends
on that module only, and stays fresh when another one changes.
"""
