"""The sidecar: next to the agents, it serves the SPIFFE Workload API. An application package, not an API."""
