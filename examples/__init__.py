"""Receivers: what a site adds to be synced. Start with `README.md` in this folder."""
