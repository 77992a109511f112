"""The sample site of `make demo`: a small HTTP server that keeps the users it is sent and shows them on a page.

It keeps every rule a receiver can keep: signature, removals, message ids and versions. It uses only the standard
library and `standardwebhooks`. Start it with `python -m examples.sample_site --help`.
"""
