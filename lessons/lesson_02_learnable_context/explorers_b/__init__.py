"""The explorers and tables of lesson 02b, a module for each topic."""
