"""One module per command. Imports inside the functions keep the start of every other command fast."""
