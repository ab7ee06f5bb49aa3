"""What makes pixels the numbers that a network was trained on, and what is measured for that."""
