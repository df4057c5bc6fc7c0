"""Widgets for a notebook outside of JupyterLab's sidebar (Notebook 7, VS Code, Voila), and the calibration map everywhere.

Each draws what it is given and fetches nothing; each has a plain-text and an HTML form for terminals, nbconvert and GitHub.
Imported only when somebody asks for one. Runs in the kernel.
"""
