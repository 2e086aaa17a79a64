"""``python -m conche.gateway.admin STATE_DIR``: makes the first local user, and prints the password that it has."""

import sys
from pathlib import Path

from .users import make_admin


def main(state_dir: Path) -> None:
    """Print the password of the user that was made; nothing where there is one already."""
    password = make_admin(state_dir)
    if password is not None:
        sys.stdout.write(f"{password}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
