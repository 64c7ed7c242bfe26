"""Screenshots for the documentation, made from the real pages: see make_screenshots.py."""
