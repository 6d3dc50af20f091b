"""The explorers of lesson 02, a module for each topic; what several of them share is in shared.py."""
