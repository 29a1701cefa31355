"""What is to happen: scenarios as plain values, and as TOML."""
