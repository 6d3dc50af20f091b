"""The course as a book: pages in both languages, made from the executed notebooks and the documents beside them."""
