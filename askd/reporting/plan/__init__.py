"""What a run will cost: its jobs, tokens, operations, hours of a GPU, memory, disk, judge calls."""
