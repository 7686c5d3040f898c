"""Wires the real parts that tests share. Belongs here: the list of fixture modules. Not here: fixtures themselves."""

pytest_plugins = ["tests.fixtures.postgres", "tests.fixtures.cloud", "tests.fixtures.spark", "tests.fixtures.long"]
