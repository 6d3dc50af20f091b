"""What course.py does: installing, JupyterLab, the doctor, tests, notebooks, the teacher's pages."""
