"""A page of your own, on a port of its own, with a Collect Data button for isaac-collect.

    isaac-collect serve --data-root datasets --cors-origin http://127.0.0.1:8700
    python examples/collect_button/serve.py

Then open http://127.0.0.1:8700. The service has to know the page's address exactly as the browser shows it.
"""

from __future__ import annotations

import argparse
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def main(port: int) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(Path(__file__).parent))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        origin = f"http://127.0.0.1:{server.server_address[1]}"
        print(f"{origin} is the page; start the service with --cors-origin {origin}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8700)
    main(parser.parse_args().port)
