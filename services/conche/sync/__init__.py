"""The worker of each group: compares desired with observed and brings each node to it. It alone changes nodes."""
