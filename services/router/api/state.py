"""What endpoints are given: the ledger and its companies, from the app that `build_app` made."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from services.router.activation import Told
from services.router.companies import Companies
from services.router.erasure.eraser import Eraser
from services.router.feedback.desk import Desk
from services.router.ledger import Ledger


def _ledger(request: Request) -> Ledger:
    return cast(Ledger, request.app.state.ledger)


def _companies(request: Request) -> Companies:
    return cast(Companies, request.app.state.companies)


def _desk(request: Request) -> Desk:
    return cast(Desk, request.app.state.desk)


def _told(request: Request) -> Told:
    return cast(Told, request.app.state.told)


def _eraser(request: Request) -> Eraser:
    return cast(Eraser, request.app.state.eraser)


CompaniesHere = Annotated[Companies, Depends(_companies)]
DeskHere = Annotated[Desk, Depends(_desk)]
EraserHere = Annotated[Eraser, Depends(_eraser)]
ToldHere = Annotated[Told, Depends(_told)]
LedgerHere = Annotated[Ledger, Depends(_ledger)]
