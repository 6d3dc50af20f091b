"""The pocket world and its models: what lets the course run offline, with every picture's truth."""
