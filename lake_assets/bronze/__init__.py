"""Every event, typed by its contract; what is no event, named in quarantine."""
