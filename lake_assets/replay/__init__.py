"""Going back: a batch loaded again, and all tables as one set as they were."""
