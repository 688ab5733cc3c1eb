"""One file per command. Each imports what it needs inside the function, so that every command starts fast."""
