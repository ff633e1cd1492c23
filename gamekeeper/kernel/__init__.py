"""The kernel keeps owners, records, commands and the journal; it knows nothing of games."""
