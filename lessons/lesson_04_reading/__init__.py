"""The room of lesson 04: its text, and what it shows and asks."""
