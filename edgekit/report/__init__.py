"""The report of a build: one model of what the files say, rules that judge it, tables and a page that show it."""
