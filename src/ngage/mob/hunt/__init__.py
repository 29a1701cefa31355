"""The hunt for a violated invariant: scenarios that mutate, and shrink when they found one."""
