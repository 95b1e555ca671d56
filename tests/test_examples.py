"""Every example is run, and what the notebook shows is what its cells say."""

import ast
import asyncio
import importlib
import json
import runpy
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def _kept(monkeypatch, state):
    """Compiled rules and cache lie in the folder of the tests, and examples are run where they lie."""
    monkeypatch.setenv("TIERBREAK_STATE", str(state))
    monkeypatch.chdir(EXAMPLES)


def test_every_example_is_run_here():
    files = {path.name for path in EXAMPLES.iterdir() if path.is_file()}
    assert files == {"duckdb_query.py", "notebook.ipynb", "query.sql", "service.py", "statement.csv"}


SPENT = """\
(contested)            1    412.00
Instacart              1     88.60
Amazon                 2     52.16
Shell                  1     38.02
(no-known-brand)       1     30.00
Uber Eats              1     27.40
(not-a-merchant)       1     20.00
Netflix                1     15.49
Blue Bottle Coffee     2     11.75
"""


def test_duckdb_query(capsys):
    pytest.importorskip("duckdb", reason="the extra `duckdb` is not installed")
    pytest.importorskip("pyarrow", reason="the extra `duckdb` is not installed")
    runpy.run_path("duckdb_query.py", run_name="__main__")
    assert capsys.readouterr().out == SPENT


def cell_output(source, scope):
    """What a notebook shows of a cell: what it prints, then its last expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = StringIO()
    with redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), scope)
        value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), scope) if last else None
    return printed.getvalue() + ("" if value is None else repr(value))


def test_notebook():
    """Without Jupyter: a notebook is JSON, and its cells are Python."""
    scope = {}
    shown = 0
    for cell in json.loads(Path("notebook.ipynb").read_text())["cells"]:
        if cell["cell_type"] == "code":
            texts = [output["text"] if "text" in output else output["data"]["text/plain"] for output in cell["outputs"]]
            assert cell_output("".join(cell["source"]), scope) == "".join(line for text in texts for line in text)
            shown += len(texts)
    assert shown == 5


async def ask(app, method, path, query="", body=None):
    """One request through the ASGI interface, without a server: status and what came back."""
    sent = []
    request = {"type": "http.request", "body": b"" if body is None else json.dumps(body).encode()}

    async def receive():
        return request

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": method,
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(b"content-type", b"application/json")], "client": ("test", 1), "server": ("test", 80),
    }  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


async def asked(app):
    """The answers of a service between its start and its end."""
    events, told = asyncio.Queue(), asyncio.Queue()
    lifespan = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}}, events.get, told.put))
    await events.put({"type": "lifespan.startup"})
    assert (await told.get())["type"] == "lifespan.startup.complete"
    answers = [
        await ask(app, "GET", "/one", "descriptor=UBER+EATS+8005928996+CA"),
        await ask(app, "POST", "/many", body=[{"descriptor": "ZELLE TO KIM", "amount": -20}, {"descriptor": "LYFT"}]),
        await ask(app, "POST", "/many", body=[{"amount": -20}]),
        await ask(app, "GET", "/one", "descriptor=UBER"),
        await ask(app, "GET", "/health"),
    ]
    await events.put({"type": "lifespan.shutdown"})
    assert (await told.get())["type"] == "lifespan.shutdown.complete"
    await lifespan
    answers.append(await ask(app, "GET", "/one", "descriptor=UBER"))
    return answers


def test_service(monkeypatch):
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    monkeypatch.syspath_prepend(EXAMPLES)
    app = importlib.import_module("service").app
    one, many, wrong, _, health, closed = asyncio.run(asked(app))
    assert (one[0], one[1]["brand"], one[1]["collision"]) == (200, "uber-eats", "span")
    assert [(row["brand"], row["reason"]) for row in many[1]] == [(None, "not-a-merchant"), ("lyft", None)]
    assert (wrong[0], wrong[1]["detail"][0]["loc"]) == (422, ["body", 0, "descriptor"])
    assert (health[0], health[1]["notices"], health[1]["stats"]["rows"]) == (200, [], 4)
    assert closed == (503, {"error": "this engine is closed; load another one"})
