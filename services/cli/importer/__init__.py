"""`tasuki import`: rows of a file become Segment calls, by a mapping."""
