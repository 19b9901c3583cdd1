"""The router's HTTP API, from its parts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI

from services.router.activation import Told
from services.router.api import (
    audit,
    companies,
    erasure,
    errors,
    feedback,
    handoffs,
    kpi,
    leads,
    operations,
    people,
    playbooks,
    stream,
    teams,
    webhooks,
)
from services.router.companies import Companies
from services.router.erasure.eraser import SETTLES, Eraser
from services.router.feedback.desk import Desk
from services.router.ledger import Ledger
from services.router.status import Watch
from services.router.subscribers import Subscribers
from shared.key_file import ReloadingKeyRing

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build_app(  # noqa: PLR0913, PLR0917 - made by the bootstrap, and by tests in parts
    ledger: Ledger,
    keys: ReloadingKeyRing,
    watch: Watch,
    lifespan: Lifespan | None = None,
    subscribers: Subscribers | None = None,
    told: Told | None = None,
) -> FastAPI:
    """Without `subscribers` it has no webhooks and no stream; without `told` no playbook can be activated."""
    app = FastAPI(
        title="Tasuki router",
        description="Leads, their stages and hand-offs. Times are UTC; errors are JSON with `code` and `message`.",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.ledger, app.state.keys, app.state.watch = ledger, keys, watch
    app.state.desk = Desk(ledger)
    app.state.eraser = Eraser.of(ledger, SETTLES)
    app.state.companies = Companies(ledger.engine, lambda: ledger.rules, ledger.clock)
    errors.install(app)
    for module in (leads, feedback, erasure, companies, handoffs, people, teams, kpi, audit, operations):
        app.include_router(module.router)
    if told:
        app.state.told = told
        app.include_router(playbooks.router)
    if subscribers:
        app.state.webhooks, app.state.streams = subscribers.webhooks, subscribers.streams
        app.include_router(webhooks.router)
        app.include_router(stream.router)
    return app
