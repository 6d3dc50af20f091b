"""The room of lesson 06: its text, and what it shows and asks."""
