"""What is chosen in the dock, as a settings file, a command and a script; and a file's choice in the dock."""
