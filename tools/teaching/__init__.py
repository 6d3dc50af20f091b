"""Makes docs/teaching.*.md and docs/answers.*.md from templates, which stand beside this file."""
