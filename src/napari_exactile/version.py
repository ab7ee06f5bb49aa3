"""The version of the package, for whoever has it: it need not be installed."""

__version__ = "0.1.0.dev0"
