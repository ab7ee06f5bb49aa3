"""The section that shows what an undersized context would cost."""
