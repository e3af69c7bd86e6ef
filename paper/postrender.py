"""After every render: no page calls another host, and what was rendered becomes the site."""

import sys

from prerender import main

if __name__ == "__main__":
    sys.exit(main("post"))
