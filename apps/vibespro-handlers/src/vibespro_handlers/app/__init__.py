"""What VibesPro does about each event, over a port: no SQL."""
