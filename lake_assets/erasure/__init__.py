"""Erasure: a person leaves the lake for good, and a receipt says what went without saying who.

The path through this package: requests.py says who, events.py which events are theirs, bodies.py and objects.py take them out of raw objects,
tables.py out of the tables, files.py removes what still lies on disk, proof.py looks for what is left, receipt.py keeps the sums, run.py is the order.
"""
