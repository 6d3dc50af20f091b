"""The pocket world and the pocket models: what makes the course run at once, offline, with the truth of every picture."""
