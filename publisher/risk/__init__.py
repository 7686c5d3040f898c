"""k-anonymity as a gate on the population: which combinations of values are shared by too few people, and how coarse each must leave.

The path through this package: assess.py reads all current rows and counts people by combination; assign.py finds the step that each combination
needs; store.py keeps it, by version, in the platform's database; steps.py is what the relay asks. What a step is: contracts/kgroups.py.
"""
