"""The kernel an analysis runs in: an ordinary IPython kernel that watches what is read.

`python -m mechscope.pipeline.kernel -f CONNECTION_FILE`
"""

from __future__ import annotations

from mechscope.pipeline.reads import watch_as_told

if __name__ == "__main__":
    watch_as_told()
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()
