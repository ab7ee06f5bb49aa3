"""Forms of the dock, and what every section of it needs. Knows no models and no runs."""
