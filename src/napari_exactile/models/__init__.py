"""Built-in architectures, their weights, and the loaders of models."""
