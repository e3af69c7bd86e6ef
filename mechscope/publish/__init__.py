"""Rendering: pages and PDFs from articles and ledgers."""
