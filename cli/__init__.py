"""The remit command: one file per verb group; talks HTTP to the issuer. An application package, not an API."""
