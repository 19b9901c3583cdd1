"""Who may send, how much, and how much of our memory each may take meanwhile."""
