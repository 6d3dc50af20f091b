"""The explorers of lesson 01, a module for each topic; their figures stand in figures.py."""
