"""The registry: accounts, agents, registration entries, grants, sidecars and operators."""
