"""The warm Spark Connect server: its jars, its Java, its AOT cache, its process.

Belongs here: what runs the server on one machine. Not here: what talks to it (resources/spark.py, resources/tables.py).
"""
