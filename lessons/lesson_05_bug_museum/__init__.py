"""The room of lesson 05: its text, and what it shows and asks."""
