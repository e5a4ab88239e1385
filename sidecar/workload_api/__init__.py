"""The SPIFFE Workload API on a Unix socket: JWT-SVID profile, unextended."""
