"""One module a lesson: its predictions, quizzes and exercises, with their texts in both languages; `contract` is what they are made of."""
