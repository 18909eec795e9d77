"""A real FTP server (pyftpdlib) over a folder, as a process: prints its port."""

from __future__ import annotations

import sys
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports asyncore, which Python 3.11 says will go
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import FTPServer

if __name__ == "__main__":
    root, user, password = sys.argv[1:4]
    authorizer = DummyAuthorizer()
    authorizer.add_user(user, password, root, perm="elradfmwMT")
    authorizer.add_anonymous(root)
    FTPHandler.authorizer = authorizer
    server = FTPServer(("127.0.0.1", int(sys.argv[4])), FTPHandler)
    sys.stdout.write(f"{server.address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
