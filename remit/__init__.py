"""Remit: verify the identity, the account and the spend scope of AI agents."""
