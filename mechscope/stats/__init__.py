"""Resampling tests, intervals and corrections; numpy in, typed results out.

Import from the module that you need (`from mechscope.stats.pairs import separation`).
"""
