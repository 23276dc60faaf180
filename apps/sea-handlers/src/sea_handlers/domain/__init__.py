"""What an event of VibesPro means to SEA, and what follows from a judgement. No I/O."""
