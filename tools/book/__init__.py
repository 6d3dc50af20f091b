"""The course as web pages in both languages, made of the executed notebooks and the documents."""
