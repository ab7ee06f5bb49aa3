"""What is connected in labels, numbered and measured block by block. Knows no files."""
