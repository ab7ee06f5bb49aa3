"""Scenes in a real window: each drives the dock as a person would, and stops where a picture is taken."""
