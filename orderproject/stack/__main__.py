"""`python -m orderproject.stack`: needs no Django, since it makes what the settings ask for."""

import sys

from orderproject.stack.configuration import from_environment
from orderproject.stack.errors import StackError
from orderproject.stack.stack import Stack, Table
from orderproject.stack.terminal import complain


def main(processes: Table | None = None) -> int:
    try:
        Stack(from_environment(), processes).run()
    except StackError as error:
        complain(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
