"""What lesson 05 shows to play with and to compare, a module for each topic."""
