"""The remit command: a file for each noun and each program; it reaches the issuer over HTTP only. An application package, not an API."""
