"""Long work as people meet it: what runs, how far, how long the rest takes, Pause. Knows no section."""
