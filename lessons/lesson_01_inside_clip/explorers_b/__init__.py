"""The explorers and the table of lesson 01b, a module for each topic."""
