"""A hub of real processes under continuous edits and kill -9, sites that remember what arrived, and the reckoning at the end."""
