"""What was counted, and what it means: metrics, thresholds, invariants, the result."""
