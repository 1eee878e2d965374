"""Reads bodies with Python's form parsers.

For each line of JSON, {"body", "headers"}, it writes a line: by parser, the values that a server
would look up.
"""

import asyncio
import base64
import collections
import importlib.metadata
import io
import json
import logging
import platform
import sys
import urllib.parse
from unittest import mock

import aiohttp.streams
import aiohttp.test_utils
import bottle
import django
import django.conf
import django.core.handlers.wsgi
import falcon.media
import starlette.requests
import tornado.httputil
import tornado.web
import webob
import werkzeug.wrappers

CREDENTIALS = ["client_id", "client_secret", "client_assertion", "client_assertion_type"]

django.conf.settings.configure(ALLOWED_HOSTS=["*"])
django.setup()
logging.disable(logging.CRITICAL)


def environ(body, headers):
    """The environment of PEP 3333, as a WSGI server fills it."""
    values = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/token",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.input": io.BytesIO(body),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        values[key if key == "CONTENT_TYPE" else "HTTP_" + key] = value.decode("latin-1")
    return values


def looked_up(get, get_all):
    """What the usual accessors of a multi-dictionary return."""
    found = {}
    for name in CREDENTIALS:
        one = get(name)
        found[name] = ([] if one is None else [one]) + list(get_all(name) or [])
    return found


def of_pairs(pairs, same=lambda name, wanted: name == wanted):
    return {
        wanted: [value for name, value in pairs if same(name, wanted)] for wanted in CREDENTIALS
    }


def parse_qs(body, headers):
    form = urllib.parse.parse_qs(body.decode(), keep_blank_values=True)
    return looked_up(lambda name: None, form.get)


def parse_qs_octets(body, headers):
    form = urllib.parse.parse_qs(body)
    return looked_up(
        lambda name: None, lambda name: [value.decode() for value in form.get(name.encode(), [])]
    )


def parse_qsl(body, headers):
    return of_pairs(urllib.parse.parse_qsl(body.decode(errors="replace"), max_num_fields=1000))


def by_letter_case(name, wanted):
    """Java's equalsIgnoreCase compares both foldings of each character, .NET's one of them."""
    return len(name) == len(wanted) and all(
        a.upper() == b.upper() or a.lower()[:1] == b.lower() for a, b in zip(name, wanted)
    )


def any_case(body, headers):
    return of_pairs(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True), by_letter_case)


def read_by_werkzeug(body, headers):
    form = werkzeug.wrappers.Request(environ(body, headers)).form
    return looked_up(form.get, form.getlist)


def read_by_django(body, headers):
    form = django.core.handlers.wsgi.WSGIRequest(environ(body, headers)).POST
    return looked_up(form.get, form.getlist)


def starlette_in(pieces):
    def read(body, headers):
        # Octet by octet where that ends in time.
        size = len(body) // 1000 + 1 if pieces else len(body) or 1
        left = collections.deque(body[at : at + size] for at in range(0, len(body), size))

        async def receive():
            return {
                "type": "http.request",
                "body": left.popleft() if left else b"",
                "more_body": bool(left),
            }

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/token",
            "query_string": b"",
            "headers": [(name.encode(), value) for name, value in headers.items()],
        }

        async def form():
            return await starlette.requests.Request(scope, receive).form()

        form = loop.run_until_complete(form())
        return looked_up(form.get, form.getlist)

    return read


def read_by_webob(body, headers):
    form = webob.Request(environ(body, headers)).POST
    return looked_up(form.get, form.getall)


def read_by_bottle(body, headers):
    form = bottle.LocalRequest(environ(body, headers)).forms.decode()
    return looked_up(form.get, form.getall)


def read_by_tornado(body, headers):
    arguments = {}
    tornado.httputil.parse_body_arguments(
        headers["content-type"].decode("latin-1"), body, arguments, {}
    )
    request = mock.Mock(body_arguments=arguments)
    handler = tornado.web.RequestHandler.__new__(tornado.web.RequestHandler)
    handler.request = request
    return looked_up(lambda name: handler.get_body_argument(name, None), handler.get_body_arguments)


def read_by_aiohttp(body, headers):
    async def form():
        payload = aiohttp.streams.StreamReader(mock.Mock(_reading_paused=False), 2**16, loop=loop)
        payload.feed_data(body)
        payload.feed_eof()
        named = {name: value.decode("latin-1") for name, value in headers.items()}
        return await aiohttp.test_utils.make_mocked_request(
            "POST", "/token", headers=named, payload=payload
        ).post()

    form = loop.run_until_complete(form())
    return looked_up(form.get, lambda name: form.getall(name, []))


def read_by_falcon(body, headers):
    form = falcon.media.URLEncodedFormHandler().deserialize(
        io.BytesIO(body), headers["content-type"].decode("latin-1"), len(body)
    )
    return {name: [form[name]] if name in form else [] for name in CREDENTIALS}


def leaves(value):
    return [leaf for one in value for leaf in leaves(one)] if isinstance(value, list) else [value]


def version(package):
    return importlib.metadata.version(package)


PARSERS = {
    "urllib parse_qs": (platform.python_version(), parse_qs),
    "urllib parse_qs, octets": (platform.python_version(), parse_qs_octets),
    "urllib parse_qsl": (platform.python_version(), parse_qsl),
    "Werkzeug": (version("werkzeug"), read_by_werkzeug),
    "Django": (version("django"), read_by_django),
    "Starlette": (version("starlette"), starlette_in(False)),
    "Starlette, octet by octet": (version("starlette"), starlette_in(True)),
    "WebOb": (version("webob"), read_by_webob),
    "Bottle": (version("bottle"), read_by_bottle),
    "Tornado": (version("tornado"), read_by_tornado),
    "aiohttp": (version("aiohttp"), read_by_aiohttp),
    "Falcon": (version("falcon"), read_by_falcon),
    "any letter case": ("emulated", any_case),
}

loop = asyncio.new_event_loop()
print(json.dumps({name: version for name, (version, _) in PARSERS.items()}))
for line in sys.stdin:
    item = json.loads(line)
    body, headers = (
        base64.b64decode(item["body"]),
        {name: base64.b64decode(value) for name, value in item["headers"]},
    )
    answer = {}
    for name, (_, read) in PARSERS.items():
        try:
            answer[name] = {
                credential: leaves(values)
                for credential, values in read(body, dict(headers)).items()
                if values
            }
        except Exception as error:  # noqa: BLE001: on any exception a server answers with an error
            answer[name] = {"error": type(error).__name__}
    print(json.dumps(answer))
