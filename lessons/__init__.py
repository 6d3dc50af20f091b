"""The lessons: one source for both languages, and what they are made of."""
