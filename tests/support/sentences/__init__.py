"""All sentences that refuse something: what provokes each, and its words; a file of rows for each part."""
