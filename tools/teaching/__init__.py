"""Makes docs/teaching.*.md and docs/answers.*.md: their text stands in the templates beside this file."""
