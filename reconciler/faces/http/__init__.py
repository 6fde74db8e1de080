"""What every HTTP face shares: who asks, what an error looks like, bodies, lines, and the listener."""
