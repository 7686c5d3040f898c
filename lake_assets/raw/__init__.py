"""The ledger of landed objects, and the batches it makes of them."""
