"""A run whose results live on disk: begun, continued, and verified there."""
