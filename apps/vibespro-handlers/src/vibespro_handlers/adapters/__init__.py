"""VibesPro's tables."""
