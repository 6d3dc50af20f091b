"""The room of lesson 02 and 02b: its text, and what it shows and asks."""
