"""Operators that look at the whole image, and what becomes of them once that is known."""
