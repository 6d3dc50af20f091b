"""The room of lesson 01 and 01b: its text, and what it shows and asks."""
