"""What the lessons of Ten Vectors import; read the modules in the order of the course (README)."""
