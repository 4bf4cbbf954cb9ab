"""Kit's event streams: subscriptions that live as long as somebody holds them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any


class Subscription:
    """What `create_subscription_to_pop` returns. Dropping the last reference to it ends it."""

    _stream: Any = None
    _fn: Callable[[Any], Any] | None = None
    _order = 0
    _name: str | None = None

    def unsubscribe(self) -> None:
        self._fn = None


class EventStream:
    """Calls its subscribers by order, then by age; what one raises is logged by Kit, and the next is called."""

    _subscription_class: type = Subscription

    def _start(self, label: str, report: Callable[[str, Exception], None], subscription_class: type) -> EventStream:
        self._label, self._report, self._subscription_class = label, report, subscription_class
        self._subscriptions: list[weakref.ref[Any]] = []
        return self

    def create_subscription_to_pop(self, fn: Callable[[Any], Any], order: int = 0, name: str | None = None) -> Any:
        if not callable(fn):
            raise TypeError(f"{self._label}: {fn!r} cannot be called")
        subscription = self._subscription_class()
        subscription._stream, subscription._fn, subscription._order, subscription._name = self, fn, order, name
        self._subscriptions.append(weakref.ref(subscription))
        return subscription

    def _live(self) -> list[Any]:
        held = [subscription for reference in self._subscriptions if (subscription := reference()) is not None]
        live = [subscription for subscription in held if subscription._fn is not None]
        self._subscriptions = [weakref.ref(subscription) for subscription in live]
        return sorted(live, key=lambda subscription: subscription._order)

    def _push(self, event: Any) -> None:
        for subscription in self._live():
            fn = subscription._fn
            if fn is None:  # an earlier subscriber ended it
                continue
            try:
                fn(event)
            except Exception as error:  # Kit logs it and goes on
                self._report(f"{self._label}: subscription {subscription._name!r}", error)
