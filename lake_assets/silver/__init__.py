"""What is true now, and what was true when: pure functions of the events in bronze."""
