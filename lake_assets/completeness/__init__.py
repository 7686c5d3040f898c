"""What the platform says it sent, held against what bronze has."""
