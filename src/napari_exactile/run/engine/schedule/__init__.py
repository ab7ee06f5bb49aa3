"""Which plane and which zone comes next."""
