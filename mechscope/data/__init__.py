"""Texts: the prompt sets and word lists that an analysis declares as its data."""
