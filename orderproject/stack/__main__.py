"""`python -m orderproject.stack`. It runs without Django, because it starts the servers that the settings need."""

import sys

from orderproject.stack.configuration import from_environment
from orderproject.stack.errors import StackError
from orderproject.stack.stack import ProcessTable, Stack
from orderproject.stack.terminal import print_error


def main(processes: ProcessTable | None = None) -> int:
    try:
        Stack(from_environment(), processes).run()
    except StackError as error:
        print_error(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
