"""How fast the delivery engine is, as ratios within one run. `make bench`; docs/performance.md says what is measured and why."""
