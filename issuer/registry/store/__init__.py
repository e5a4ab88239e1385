"""The registry's SQL, one module for each noun. Every function works within a transaction that its caller holds."""
