"""A real browser: a page of another origin that uploads and reads, in headless Chromium.

The page is served by this process on a port of its own. It runs by itself, sends home what it saw,
and at last submits a plain form whose answer leads it back here.
"""

from __future__ import annotations

import http.server
import json
import queue
import shutil
import subprocess
import threading
import urllib.parse

from ..model import Cases, Client, Failed
from ..trial import Trial
from ..world import CLIENTS

PATIENCE = 60

PAGE = """<!doctype html><meta charset="utf-8"><title>page</title><script>
const plan = %s;
const bytes = new Uint8Array(plan.size).map((_, at) => at * 7 %% 256);
const look = async (name, request) => {
  try {
    const answer = await request();
    return [name, {status: answer.status, etag: answer.headers.get("etag"),
      hidden: answer.headers.get("x-amz-request-id"), text: await answer.text()}];
  } catch (error) { return [name, {blocked: String(error)}]; }
};
const formOf = (form) => {
  const data = new FormData();
  for (const [name, value] of Object.entries(form.fields)) data.append(name, value);
  data.append("file", new Blob([bytes]), "from page.bin");
  return data;
};
const submit = (form) => {
  const element = document.createElement("form");
  element.action = form.url; element.method = "post"; element.enctype = "multipart/form-data";
  for (const [name, value] of Object.entries(form.fields)) {
    const input = document.createElement("input");
    input.type = "hidden"; input.name = name; input.value = value; element.append(input);
  }
  const file = document.createElement("input");
  const held = new DataTransfer();
  held.items.add(new File([bytes], "submitted.bin"));
  file.type = "file"; file.name = "file"; file.files = held.files; element.append(file);
  document.body.append(element);
  element.submit();
};
addEventListener("load", async () => {
  const seen = [];
  seen.push(await look("put", () => fetch(plan.put,
    {method: "PUT", body: bytes, headers: {"content-type": "a/b", "x-amz-meta-from": "page"}})));
  seen.push(await look("get", () => fetch(plan.get)));
  seen.push(await look("missing", () => fetch(plan.missing)));
  seen.push(await look("delete", () => fetch(plan.get, {method: "DELETE"})));
  seen.push(await look("post", () => fetch(plan.post.url,
    {method: "POST", body: formOf(plan.post)})));
  await fetch("/seen", {method: "POST", body: JSON.stringify(Object.fromEntries(seen))});
  if (plan.submit) submit(plan.submit);
});
</script><body></body>
"""


class Site:
    """The other origin: serves the page and takes what it sends home."""

    def __init__(self) -> None:
        site = self
        self.page = b""
        self.arrivals: queue.Queue[tuple[str, str]] = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            """Answers the browser."""

            def do_GET(self) -> None:
                if self.path.startswith("/done"):
                    site.arrivals.put(("done", self.path))
                self._answer(site.page if self.path == "/" else b"")

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                site.arrivals.put(("seen", self.rfile.read(length).decode()))
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def origin(self, host: str) -> str:
        """The origin of the page under one of its host names."""
        return f"http://{host}:{self.server.server_port}"

    def wait_for(self, kind: str) -> str:
        """What the page sends home next."""
        try:
            arrived, text = self.arrivals.get(timeout=PATIENCE)
        except queue.Empty:
            raise Failed(f"the page does not send '{kind}'") from None
        if arrived != kind:
            raise Failed(f"the page sent '{arrived}' instead of '{kind}': {text[:300]}")
        return text


def _chromium() -> str | None:
    unpacked = CLIENTS / "chromium" / "chromium"
    return shutil.which("chromium") or (str(unpacked) if unpacked.exists() else None)


class Chromium(Client):
    """Debian's Chromium, without a window."""

    name = "chromium"
    cases = Cases()

    def missing(self) -> str | None:
        return None if _chromium() else "Chromium is not here (install.sh chromium)"

    def version(self) -> str:
        said = subprocess.run([_chromium(), "--version"], capture_output=True, text=True,
                              check=False).stdout
        return said.split()[1] if said else "?"


case = Chromium.cases


def _browse(t: Trial, url: str) -> subprocess.Popen:
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-dev-shm-usage", "--ignore-certificate-errors",
             "--remote-debugging-port=0",
             f"--user-data-dir={t.folder / 'profile'}"]
    return subprocess.Popen([_chromium(), *words, url], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, env=t.world.environment)


def _page(label: str, **config: str) -> None:
    @case(f"a page on another origin: {label}", transport=True)
    def page(_: Chromium, t: Trial) -> None:
        bucket, s3, site, size = t.bucket(), t.world.s3(**config), Site(), 300_000
        data = bytes(at * 7 % 256 for at in range(size))
        origin, stranger = site.origin("127.0.0.1"), site.origin("localhost")
        t.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [{
            "AllowedOrigins": [origin], "AllowedMethods": ["GET", "PUT", "POST"],
            "AllowedHeaders": ["content-type", "x-amz-meta-*"], "ExposeHeaders": ["ETag"]}]})

        def url(method: str, key: str, **params: object) -> str:
            return s3.generate_presigned_url(method, {"Bucket": bucket, "Key": key} | params)

        back = f"{origin}/done"
        plan = {
            "size": size,
            "put": url("put_object", "put", ContentType="a/b", Metadata={"from": "page"}),
            "get": url("get_object", "put", ResponseContentType="text/x-seen"),
            "missing": url("get_object", "missing"),
            "post": s3.generate_presigned_post(
                bucket, "posted/${filename}", {"success_action_status": "201"},
                [{"success_action_status": "201"}, ["content-length-range", 1, size]]),
            "submit": s3.generate_presigned_post(
                bucket, "form/${filename}", {"success_action_redirect": back},
                [{"success_action_redirect": back}]),
        }
        site.page = (PAGE % json.dumps(plan)).encode()
        browser = _browse(t, origin)
        try:
            seen = json.loads(site.wait_for("seen"))
            arrived = urllib.parse.urlsplit(site.wait_for("done"))
        finally:
            browser.kill()
            browser.wait()
            shutil.rmtree(t.folder / "profile", ignore_errors=True)
        etag = f'"{t.etag(bucket, "put")}"'
        t.equal((seen["put"].get("status"), seen["put"].get("etag")), (200, etag), "the put")
        t.equal(seen["put"]["hidden"], None, "a header that is not exposed")
        head = t.s3.head_object(Bucket=bucket, Key="put")
        t.equal((head["ContentType"], head["Metadata"]), ("a/b", {"from": "page"}), "attributes")
        t.equal(seen["get"].get("status"), 200, "the get")
        t.equal(seen["missing"].get("status"), 404, "a refusal that the page can read")
        t.true("<Code>NoSuchKey</Code>" in seen["missing"]["text"], seen["missing"]["text"])
        t.true("blocked" in seen["delete"], f"a method without a rule: {seen['delete']}")
        t.equal(seen["post"].get("status"), 201, f"the form by fetch: {seen['post']}")
        t.true("<Key>posted/from page.bin</Key>" in seen["post"]["text"], seen["post"]["text"])
        answer = dict(urllib.parse.parse_qsl(arrived.query))
        t.equal(answer, {"bucket": bucket, "key": "form/submitted.bin", "etag": etag},
                "the way back from the form")
        for key in ("put", "posted/from page.bin", "form/submitted.bin"):
            t.true(t.stored(bucket, key) == data, f"bytes of {key}")

        site.page = (PAGE % json.dumps(plan | {"submit": None})).encode()
        browser = _browse(t, stranger)
        try:
            seen = json.loads(site.wait_for("seen"))
        finally:
            browser.kill()
            browser.wait()
            site.server.shutdown()
        for name in ("put", "get", "missing", "post"):
            t.true("blocked" in seen[name], f"an origin without a rule: {name}: {seen[name]}")


_page("default (SigV2 in us-east-1)")
_page("SigV4", signature_version="s3v4")
