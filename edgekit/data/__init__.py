"""Images and labels: one reader of each kind for every command."""
