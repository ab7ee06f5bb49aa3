"""Windows of a result, and what was derived from a model, found in another way. Stores nothing."""
