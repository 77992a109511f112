"""System checks of sync."""
