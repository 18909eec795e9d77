"""How an agent runs attempts; ``interface.py`` says what it asks for."""
