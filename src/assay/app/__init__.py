"""The commands that people type, and what only they need; nothing else imports them."""
