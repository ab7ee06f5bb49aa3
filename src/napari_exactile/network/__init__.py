"""Tracing a network, its operators' rules, and exact execution region by region."""
