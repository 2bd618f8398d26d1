"""Stands between 'chalice deploy' and MiniStack, and translates two calls that MiniStack does not carry out.

MiniStack 1.5.33 answers ImportRestApi and PutRestApi, which is how Chalice makes its API, and ignores the
definition in their body: the API stays empty. Here the definition becomes the calls that make it up, which
MiniStack does carry out. Everything else passes through as it is.

As PutRestApi with mode=overwrite replaces the whole definition, the gateway's responses are removed by it.
"""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import boto3

_open = build_opener(ProxyHandler({})).open
_HOP = {"connection", "transfer-encoding", "content-length", "host", "expect"}
_INTEGRATION = "x-amazon-apigateway-integration"


class Proxy:
    """A running proxy. ``calls`` are those translated; while ``gate`` is not set, they wait for it.

    A ``refusal`` is what they are answered with instead, as API Gateway does to who may not call it.
    """

    def __init__(self, upstream):
        self.upstream = upstream
        self.calls = []
        self.refusal = None
        self.gate = threading.Event()
        self.gate.set()
        self.gateway = boto3.client(
            "apigateway",
            endpoint_url=upstream,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def translate(self, method, path, query, body):
        """The answer to a translated call; None for all others."""
        mode = parse_qs(query).get("mode")
        if self.refusal and mode:
            return {}
        if (method, path, mode) == ("POST", "/restapis", ["import"]):
            return self._import(json.loads(body))
        if method == "PUT" and path.startswith("/restapis/") and mode == ["overwrite"]:
            return self._overwrite(path.split("/")[2], json.loads(body))
        return None

    def _import(self, definition):
        self._note("ImportRestApi")
        api = self.gateway.create_rest_api(
            name=definition["info"]["title"], endpointConfiguration={"types": ["REGIONAL"]}
        )
        self._fill(api["id"], definition)
        return {"id": api["id"], "name": api["name"], "endpointConfiguration": {"types": ["REGIONAL"]}}

    def _overwrite(self, api_id, definition):
        self._note("PutRestApi")
        for response in self.gateway.get_gateway_responses(restApiId=api_id)["items"]:
            if not response.get("defaultResponse"):
                self.gateway.delete_gateway_response(restApiId=api_id, responseType=response["responseType"])
        resources = self.gateway.get_resources(restApiId=api_id, limit=500)["items"]
        for resource in resources:
            if resource["path"] != "/":
                self.gateway.delete_resource(restApiId=api_id, resourceId=resource["id"])
        self._fill(api_id, definition)
        return {"id": api_id, "name": definition["info"]["title"]}

    def _fill(self, api_id, definition):
        [root] = self.gateway.get_resources(restApiId=api_id)["items"]
        for path, methods in definition["paths"].items():
            made = self.gateway.create_resource(
                restApiId=api_id, parentId=root["id"], pathPart=path.strip("/")
            )
            for method, operation in methods.items():
                where = {"restApiId": api_id, "resourceId": made["id"], "httpMethod": method.upper()}
                self.gateway.put_method(
                    **where, authorizationType="NONE", apiKeyRequired=bool(operation.get("security"))
                )
                self._integrate(where, operation[_INTEGRATION])

    def _integrate(self, where, integration):
        if integration["type"] == "mock":
            self.gateway.put_integration(**where, type="MOCK")
        else:
            self.gateway.put_integration(
                **where, type="AWS_PROXY", integrationHttpMethod="POST", uri=integration["uri"]
            )

    def _note(self, call):
        self.calls.append(call)
        assert self.gate.wait(60)


@contextmanager
def running_proxy(upstream):
    """A Proxy and its URL, on a free port."""
    proxy = Proxy(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            answer = proxy.translate(self.command, parts.path, parts.query, body)
            if answer is not None and proxy.refusal:
                refused = {"Content-Type": "application/json", "x-amzn-ErrorType": "AccessDeniedException"}
                self.reply(403, refused, json.dumps({"message": proxy.refusal}).encode())
                return
            if answer is not None:
                self.reply(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            request = Request(proxy.upstream + self.path, body or None, headers, method=self.command)
            try:
                with _open(request, timeout=60) as response:
                    self.reply(response.status, dict(response.headers), response.read())
            except HTTPError as error:
                with error:
                    self.reply(error.code, dict(error.headers), error.read())

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any

        def reply(self, status, headers, content):
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in _HOP | {"date", "server"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *_):
            """Silence: the tests say what happened."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        proxy.gateway.close()
