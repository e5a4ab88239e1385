"""The audit log: an append-only record of every decision, written in the transaction of what it records."""
