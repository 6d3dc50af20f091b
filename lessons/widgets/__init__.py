"""The explorers, pictures and tables of each lesson, in a module of its own."""
