# A WSGI application that answers after the milliseconds and with the bytes that its query asks for, and writes down which
# requests it began and finished. A line is one write, so that those of several processes never mix.
import os
import sys
import time
from urllib.parse import parse_qs

ledger = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND)


def note(event, name):
    if name:
        os.write(ledger, f"{event} {name}\n".encode())


def application(environ, start):
    name = environ.get("HTTP_X_REQUEST_ID", "")
    asked = parse_qs(environ["QUERY_STRING"])
    note("started", name)
    got = len(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    time.sleep(int(asked.get("ms", ["150"])[0]) / 1000)
    body = f"answer to {name} {got}\n".encode().ljust(int(asked.get("bytes", ["0"])[0]), b".")
    note("finished", name)
    start("200 OK", [("Content-Length", str(len(body))), ("X-Request-Id", name)])
    return [body]


print("takes requests", file=sys.stderr, flush=True)  # a worker has come up so far
