"""Claim, send, settle: what is owed becomes requests, and answers become acknowledged state and log rows."""
