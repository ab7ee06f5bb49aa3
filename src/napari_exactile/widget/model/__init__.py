"""The dialog that tells what a model is and needs."""
