"""The local hub without S3's limit of 5 GiB for one PUT; options are the hub's.

An object storage of one's own need not have that limit, and with it git-lfs could not take part
in a push of one 8 GiB file at all.
"""

import sys

from hub_revisions.local_hub import __main__ as command
from hub_revisions.local_hub import lfs

if __name__ == "__main__":
    vars(lfs)["S3_SINGLE_PUT_LIMIT"] = sys.maxsize
    sys.exit(command.main([*sys.argv[1:], "--multipart-threshold", str(sys.maxsize)]))
