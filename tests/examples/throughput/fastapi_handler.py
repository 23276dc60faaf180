"""The least that a FastAPI handler does: it reads the event as a model and answers 200."""

from typing import Any
from uuid import UUID

from fastapi import FastAPI
from pydantic import BaseModel


class Event(BaseModel):
    message_id: UUID
    event_type: str
    attempt: int
    payload: dict[str, Any]


app = FastAPI()


@app.post("/handle")
async def handle(event: Event) -> dict[str, str]:
    return {"handled": event.event_type}
