"""Which box of the image and of each tensor a zone depends on, and computing just these."""
