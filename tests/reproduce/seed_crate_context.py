"""Puts the context of RO-Crate 1.1, as the package rocrate ships it, into the HTTP cache of rocrate-validator: it then validates offline.

Run by the interpreter of the validator's own environment, with the path of the cache.
"""

import io
import sys
from pathlib import Path

import requests
import rocrate
from requests_cache import CachedSession
from urllib3 import HTTPResponse

URL = "https://w3id.org/ro/crate/1.1/context"

text = (Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_bytes()
session = CachedSession(sys.argv[1], backend="sqlite", expire_after=-1)
kind = {"Content-Type": "application/ld+json"}
response = requests.Response()
response.status_code, response.url, response._content, response.headers = 200, URL, text, kind
response.request = session.prepare_request(requests.Request("GET", URL))
response.raw = HTTPResponse(io.BytesIO(text), headers=kind, status=200, request_url=URL, preload_content=False)
session.cache.save_response(response)
