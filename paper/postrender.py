"""Quarto runs this after every render: makes the site's first page, which leads to the default run."""

import sys

from prerender import main

if __name__ == "__main__":
    sys.exit(main("mechscope.publish.entrance"))
