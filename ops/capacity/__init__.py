"""What a load takes, on paper: shards, calls, price. Pure; docs/capacity.md explains it."""
