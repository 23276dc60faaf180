"""SEA's tables, and sea-api."""
