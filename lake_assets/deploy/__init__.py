"""What new contracts ask of the tables that are there, beside new columns: withdrawn fields are emptied, renamed entities taken over."""
