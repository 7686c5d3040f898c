"""Erasure: a person's rows are purged from the publisher's own tables, and the lake is told.

The path through this package: command.py is `publisher erase`, people.py says which rows are a person's, request.py numbers the erase events and
asks, settle.py is what the relay does before it reads on, remembered.py lets nothing of the person leave afterwards.
"""
