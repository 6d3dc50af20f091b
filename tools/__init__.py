"""What course.py does: installing, JupyterLab, the doctor, building the notebooks and the teacher's pages."""
