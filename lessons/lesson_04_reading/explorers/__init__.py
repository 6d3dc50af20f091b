"""Explorers of lesson 04: what learned vectors read like, and what chance alone would show; a module for each instrument."""
