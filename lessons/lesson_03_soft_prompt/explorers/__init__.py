"""The explorers and tables of lesson 03, a module for each topic."""
