"""What SEA does about each event, over ports: no SQL, no HTTP."""
