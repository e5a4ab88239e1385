"""The issuer: the attestation server. An application package, not an API."""
