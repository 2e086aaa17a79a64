"""`python -m conche.sim run`: the simulator without the rest of conche."""

from .commands import sim

if __name__ == "__main__":
    sim()
