"""What a crowd does together: events, polls, quizzes, predictions, chat, questions, reactions."""
