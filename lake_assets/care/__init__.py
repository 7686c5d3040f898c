"""Care: what keeps the tables quick and small. Files are joined, files that nobody needs are deleted; no row changes.

Belongs here: looking at tables, and what is done to them. Not here: when, and who must not be at work meanwhile (assets/care.py, sensors/crowded.py), the
statements (resources/table_upkeep.py), rows whose time is over.
"""
