"""The room of lesson 01: its text, and what it shows and asks."""
