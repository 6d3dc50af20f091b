"""What course.py does, and what those who look after the course run."""
