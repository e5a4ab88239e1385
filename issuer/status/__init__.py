"""Status: one index of a status list for each grant, flipped in the transaction that changes authority."""
