"""From scripts to ledgers: what is stale and why, and running exactly that."""
