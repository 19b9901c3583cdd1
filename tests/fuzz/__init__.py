"""Coverage-guided fuzzing: bytes that nobody thought of."""
