"""Lists an archive with Python's tarfile: mode, owner, group, size and name of each file. "-" is standard input."""

import stat
import sys
import tarfile


def main(path):
    source = {"fileobj": sys.stdin.buffer, "mode": "r|"} if path == "-" else {"name": path, "mode": "r:"}
    kinds = {tarfile.REGTYPE: stat.S_IFREG, tarfile.DIRTYPE: stat.S_IFDIR}
    with tarfile.open(**source) as archive:
        for member in archive:
            mode = stat.filemode(kinds[member.type] | member.mode)
            print(mode, member.uid, member.gid, member.size, member.name)


main(sys.argv[1])
