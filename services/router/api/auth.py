"""Bearer tokens with scopes: no read of personal data and no write without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.router.api.errors import ApiError
from shared.key_file import ReloadingKeyRing
from shared.keys import KeyEntry, KeyKind

_bearer = HTTPBearer(auto_error=False, description="a token made by `tasuki keys create --kind token`")


def require(scope: str) -> Callable[..., KeyEntry]:
    """A dependency that lets callers with `scope` (or `admin`) in. Raises `ApiError` 401 or 403 for others."""

    def check(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> KeyEntry:
        keys: ReloadingKeyRing = request.app.state.keys
        entry = keys.find(KeyKind.TOKEN, credentials.credentials) if credentials else None
        if entry is None:
            raise ApiError(
                401,
                "unauthorised",
                "no token, or one that is not known here: send `Authorization: Bearer …` with a token made by "
                "`tasuki keys create --kind token`",
                {"WWW-Authenticate": "Bearer"},
            )
        if not {scope, "admin"} & set(entry.scopes):
            raise ApiError(403, "forbidden", f"token '{entry.name}' lacks the scope '{scope}'")
        return entry

    return check


def is_still_allowed(request: Request, scope: str) -> bool:
    """For answers that last: whether the caller's token is known, and has the scope, now."""
    secret = request.headers.get("authorization", "").partition(" ")[2].strip()
    entry = cast(ReloadingKeyRing, request.app.state.keys).find(KeyKind.TOKEN, secret)
    return entry is not None and bool({scope, "admin"} & set(entry.scopes))


Reader = Annotated[KeyEntry, Depends(require("read"))]
Erasing = Annotated[KeyEntry, Depends(require("erase"))]
Writer = Annotated[KeyEntry, Depends(require("write"))]
Admin = Annotated[KeyEntry, Depends(require("admin"))]
