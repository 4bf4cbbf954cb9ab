"""What each path does: parse, act on the ports, render. One module per noun; each builds its blueprint."""
