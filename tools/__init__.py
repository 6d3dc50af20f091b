"""What course.py does: installing, JupyterLab, the doctor, tests, building the notebooks."""
