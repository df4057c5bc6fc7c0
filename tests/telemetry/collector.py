"""A collector of OTLP in a process of its own: what comes in is parsed by opentelemetry-proto, as collectors do, and written down.

python -m tests.telemetry.collector FILE [--slow SECONDS] [--refuse] [--refuse-until FILE]
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Handler(BaseHTTPRequestHandler):
    file: Path
    slow_s = 0.0
    refuse = False
    opens: Path | None = None

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        time.sleep(self.slow_s)
        request = ExportTraceServiceRequest()
        if self.headers["content-type"] == "application/x-protobuf":
            request.ParseFromString(body)
            hexed = True
        else:
            # OTLP's JSON has hex where protobuf's has base64; both read the same letters, so lengths tell which it was
            Parse(body, request)
            hexed = False
        ok = self.path == "/v1/traces" and not self.refuse and (self.opens is None or self.opens.exists())
        if ok:
            with self.file.open("a") as out:
                for of_resource in request.resource_spans:
                    names = {a.key: a.value.string_value for a in of_resource.resource.attributes}
                    for span in (span for scope in of_resource.scope_spans for span in scope.spans):
                        trace_id = span.trace_id.hex() if hexed else json.loads(body)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"]  # fmt: skip
                        line = {"name": span.name, "service": names.get("service.name"), "trace": trace_id, "id": span.span_id.hex(), "parent": span.parent_span_id.hex(), "key": self.headers.get("api-key")}  # fmt: skip
                        out.write(json.dumps(line) + "\n")
        self.send_response(200 if ok else 503)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def main(words: list[str]) -> None:
    Handler.file = Path(words[0])
    Handler.slow_s = float(words[words.index("--slow") + 1]) if "--slow" in words else 0.0
    Handler.refuse = "--refuse" in words
    Handler.opens = Path(words[words.index("--refuse-until") + 1]) if "--refuse-until" in words else None
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
