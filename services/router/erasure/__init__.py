"""Erasure of a person: `eraser` does it, `deny_list` sees to it that nothing brings them back."""
