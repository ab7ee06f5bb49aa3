"""What is known of models and runs, as sentences for people."""
