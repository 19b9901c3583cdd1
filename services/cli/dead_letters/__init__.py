"""What could not be processed: found, shown, and sent again (`tasuki dead-letters`)."""
