"""One file a command. Each imports what it needs inside the function, so that every command starts at once."""
