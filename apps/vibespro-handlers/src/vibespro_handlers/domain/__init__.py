"""What an event of SEA means to VibesPro. No I/O."""
