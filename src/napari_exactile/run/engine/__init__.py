"""Computing a plan: events, results, and what pauses and stops it. Knows no store on disk."""
