"""Gold: business tables, one SQL file each. An analyst adds a table by adding a file.

The path through this package: load.py reads the files (header.py, then check.py's rules, reads.py for lineage), engine.py renders and
builds them. model.py is what all others use.
"""
