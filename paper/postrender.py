"""After every render: no page calls another host, and the first page leads to the default run."""

import sys

from prerender import main

if __name__ == "__main__":
    sys.exit(main("post"))
