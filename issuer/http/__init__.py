"""The issuer's edge: parses requests, calls one domain function, renders the answer. Nothing else knows of HTTP."""
