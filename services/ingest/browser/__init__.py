"""What a website's SDK asks for before it sends anything: its settings, and itself."""
