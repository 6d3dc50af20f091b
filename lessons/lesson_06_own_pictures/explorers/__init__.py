"""Explorers and tables of lesson 06, a module for each topic."""
