"""Moving files between a task's sandbox and where its URLs point; names and matching are pure."""
