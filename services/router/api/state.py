"""What endpoints are given: the ledger, from the app that `build_app` made."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from services.router.ledger import Ledger


def _ledger(request: Request) -> Ledger:
    return cast(Ledger, request.app.state.ledger)


LedgerHere = Annotated[Ledger, Depends(_ledger)]
