"""Attestors: one module per kind of evidence, collected beside the workload and appraised at the issuer. An application package, not an API."""
