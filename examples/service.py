"""An HTTP service around one engine a process.

pip install . fastapi uvicorn
cd examples
TIERBREAK_STATE=/tmp/tierbreak tierbreak warm
TIERBREAK_STATE=/tmp/tierbreak uvicorn service:app --workers 2
curl 'localhost:8000/one?descriptor=UBER+EATS+8005928996+CA'
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from tierbreak import Engine, TierbreakError


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Each worker loads its engine when it has started: uvicorn spawns them, and an engine survives no fork."""
    app.state.engine = await asyncio.to_thread(Engine.load)
    yield
    await asyncio.to_thread(app.state.engine.close)  # waits for those who are being answered


app = FastAPI(title="tierbreak", lifespan=lifespan)


class Row(BaseModel):
    """A descriptor and what else is known of its row; amounts are negative where money goes out."""

    descriptor: str
    amount: float | None = None
    date: dt.date | None = None
    mcc: str | None = None
    country: str | None = None
    source: str | None = None


@app.get("/one")
async def one(descriptor: str) -> dict[str, Any]:
    """Asked in the event loop: where rules answer it takes microseconds, a thread would cost more than the answer.

    A text that the model is asked for the first time takes milliseconds, and the loop waits meanwhile. Where that is
    too long, write `def` for `async def`: FastAPI then calls it in a thread.
    """
    return app.state.engine.classify_one(descriptor).to_dict()


@app.post("/many")
async def many(rows: Annotated[list[Row], Field(max_length=10_000)]) -> list[dict[str, Any]]:
    """A batch may ask the model for many texts: in a thread, so that the event loop goes on."""
    decisions = await asyncio.to_thread(app.state.engine.classify_many, [row.model_dump() for row in rows])
    return [decision.to_dict() for decision in decisions]


@app.get("/health")
async def health() -> dict[str, Any]:
    """What serves, what a person must know of it, and what it has done."""
    engine = app.state.engine
    return {"fingerprint": engine.fingerprint, "notices": engine.notices, "stats": engine.stats()}


@app.exception_handler(TierbreakError)
async def failed(request: Request, error: TierbreakError) -> JSONResponse:
    """Every error of the package knows its status: 422 where the caller's rows are wrong, 503 where we are."""
    return JSONResponse({"error": str(error)}, status_code=error.http_status)
