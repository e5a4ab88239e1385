"""Lists come in pages: the query parameters that ask for one, and the answer that carries one."""

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

import msgspec
from aiohttp import web

from issuer.http.answers import answer
from issuer.registry.model import Page

T = TypeVar("T")


class PageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query parameters of every list.

    Attributes:
        limit: at most so many items, 1 to 1000.
        after: the cursor that the page before ended with.
    """

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    after: Annotated[str, msgspec.Meta(max_length=2048)] = ""

    @property
    def page(self) -> Page:
        """The same as the registry takes it."""
        return Page(after=self.after, limit=self.limit)


class Listed(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list.

    Attributes:
        items: at most `limit` of them.
        next: what to pass as `after` for the page that follows, or None after the last one.
    """

    items: Sequence[T]
    next: str | None


def answer_page(items: Sequence[T], query: PageQuery, cursor: Callable[[T], str]) -> web.Response:
    """The response that carries a page of a list: `items`, and the cursor of the next page if there may be one."""
    following = cursor(items[-1]) if len(items) == query.limit else None
    return answer(Listed(items, following))
