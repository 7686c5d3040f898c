"""Watching a relay from outside: what it counts of itself, metrics, health, traces.

The path through this package: vitals.py counts, outlook.py looks at the outbox now and then, health.py judges, metrics.py and traces.py give it the forms that tools read,
server.py serves. Nothing here holds a value of a row or a source key.
"""
