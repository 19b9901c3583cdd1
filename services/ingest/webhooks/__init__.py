"""What marketing tools and forms send, read as calls of Segment's specification by mappings in YAML."""
