"""What becomes of a lead: pure. No clock, no I/O; whoever calls gives the time."""
