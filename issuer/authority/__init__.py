"""Authority: knowing what an operator has in hand, and suspending, resuming or revoking it with all that is below it."""
