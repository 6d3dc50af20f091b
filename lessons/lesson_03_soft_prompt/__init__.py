"""The room of lesson 03: its text, and what it shows and asks."""
