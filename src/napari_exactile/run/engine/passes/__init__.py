"""Passes over the whole image before the last one: statistics, and what is kept of them."""
