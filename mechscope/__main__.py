"""`python -m mechscope`."""

from mechscope.cli import main

if __name__ == "__main__":
    main()
