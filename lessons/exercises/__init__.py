"""One module a lesson: its predictions, quizzes and exercises, with their texts in both languages; `lessons.kit.exercise` has what they are made of."""
