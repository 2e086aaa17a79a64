"""What can be asked for beside a login: state, commands, questions, events, and choco's own paths."""
