"""The room of lesson 00: its text, and what it shows and asks."""
