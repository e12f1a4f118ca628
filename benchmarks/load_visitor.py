"""A person without a browser, for `load.py`: asks the server what the page's JavaScript asks it.

Opening a sample is a websocket to Streamlit, one run of the page's script, and the four questions
of a workbench that comes onto the page; a click on a node is the questions of its card, and the
run of the fragment that keeps the place in the address. What a browser does with the answers costs
the server nothing: so thirty of them can come from the machine that serves them.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
import urllib.request
from dataclasses import dataclass, field
from typing import Any

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

LONGEST_SECONDS = 60

_ASSET = re.compile(r'(?:src|href)="\.?/?(static/[^"]+)"')


class Refused(Exception):
    """The server answered otherwise than a working page needs it."""


@dataclass
class Visitor:
    """One of many people.

    Args:
        address: of the server, without a slash at the end.

    Attributes:
        hidden: whether it has never come before: then the page's files are fetched, too.
    """

    address: str
    hidden: bool = True
    _socket: Any = None
    _source: str = ""
    _place: int = 0
    _widget: str = ""
    _page: str = ""
    _fragment: str = ""
    _cards: dict[str, Any] = field(default_factory=dict)
    _known: dict[str, ForwardMsg] = field(default_factory=dict)

    async def open(self, sample: str) -> float:
        """Come to a sample's page.

        Returns:
            ms until its first picture.

        Raises:
            Refused, OSError, TimeoutError, websockets.WebSocketException: it could not be opened.
        """
        await self.leave()
        start = time.perf_counter()
        page = (await self._get("")).decode()
        if self.hidden:
            self.hidden = False
            await asyncio.gather(*(self._get(asset) for asset in _ASSET.findall(page)))
        self._socket = await websockets.connect(
            f"{self.address.replace('http', 'ws', 1)}/_stcore/stream",
            subprotocols=[websockets.Subprotocol("streamlit")],
            origin=websockets.Origin(self.address),
            max_size=None,
        )
        self._source = ""
        await self._run(f"sample={sample}")
        if not self._source:
            raise Refused(f"no workbench for {sample}")
        picture = await self._ask("picture", toggled=[], draw=["dynamic", "static"], number=1)
        took = (time.perf_counter() - start) * 1000
        self._cards = {
            item: card for item, card in picture["cards"].items() if item.startswith("dynamic/op:")
        }
        await asyncio.gather(
            self._ask("timeline"),
            self._ask("drawing", toggled=[], draw=["backward", "twins"], number=2),
            self._ask("findings"),
        )
        return took

    async def click(self, chance: random.Random) -> float:
        """Click on some op.

        Returns:
            ms until its card is complete and the server rests.

        Raises:
            Refused, OSError, TimeoutError, websockets.WebSocketException: no answer came.
        """
        item = chance.choice(list(self._cards))
        start = time.perf_counter()
        tensors = [(one["id"], one["what"]) for one in self._cards[item]["tensors"] if "id" in one]
        place = {"seq": self._place, "selected": item, "toggled": [], "tabs": {}, "sides": {}}
        await asyncio.gather(
            self._ask("relations", pane="dynamic", id=item.partition("/")[2]),
            *(self._ask("values", tensor=one, what=what, side=32) for one, what in tensors),
            *(self._ask("history", tensor=one) for one in sorted({one for one, _ in tensors})[:1]),
            self._run(f"select={item}", {"place": place | {"maximised": None, "moment": None}}),
        )
        return (time.perf_counter() - start) * 1000

    async def leave(self) -> None:
        """Close the page."""
        if self._socket is not None:
            await self._socket.close()
            self._socket = None

    # -- what goes over the wire --------------------------------------------------------------

    async def _get(self, path: str) -> bytes:
        return await asyncio.to_thread(_fetched, urllib.request.Request(f"{self.address}/{path}"))

    async def _ask(self, question: str, **asked: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.address}{self._source}/{question}",
            data=json.dumps(asked).encode(),
            headers={"content-type": "application/json"},
        )
        answer: dict[str, Any] = json.loads(await asyncio.to_thread(_fetched, request))
        # A card without numbers says why there are none; all else has an answer.
        if "error" in answer and (question != "values" or answer.get("lost")):
            raise Refused(f"{question}: {answer['error']}")
        return answer

    async def _run(self, query: str, state: dict[str, Any] | None = None) -> None:
        """Have the script run, or with a state of the workbench its fragment, to the end."""
        order = BackMsg()
        order.rerun_script.query_string = query
        if state is not None:
            order.rerun_script.page_script_hash = self._page
            order.rerun_script.fragment_id = self._fragment
            widget = order.rerun_script.widget_states.widgets.add()
            widget.id, widget.json_value = self._widget, json.dumps(state)
        order.rerun_script.cached_message_hashes.extend(self._known)
        await self._socket.send(order.SerializeToString())
        async with asyncio.timeout(LONGEST_SECONDS):
            while await self._hear() != "script_finished":
                pass

    async def _hear(self) -> str:
        """Take the next message; what kind it was of."""
        message = ForwardMsg()
        message.ParseFromString(await self._socket.recv())
        kind = str(message.WhichOneof("type"))
        if kind == "ref_hash":
            message = self._known[message.ref_hash]
            kind = str(message.WhichOneof("type"))
        elif message.metadata.cacheable:
            self._known[message.hash] = message
        if kind == "new_session":
            self._page = message.new_session.page_script_hash
        elif kind == "session_event" and message.session_event.HasField(
            "script_compilation_exception"
        ):
            raise Refused("the script does not compile")
        elif kind == "delta":
            self._see(message.delta)
        return kind

    def _see(self, delta: Any) -> None:
        shown = delta.new_element.WhichOneof("type") if delta.HasField("new_element") else ""
        if shown == "exception":
            raise Refused(f"the page shows {delta.new_element.exception.type}")
        if shown == "bidi_component":
            component = delta.new_element.bidi_component
            if component.component_name.endswith("inspector_workbench"):
                told = json.loads(component.json)
                self._source, self._place = told["source"], told["place_seq"]
                self._widget, self._fragment = component.id, delta.fragment_id


def _fetched(request: urllib.request.Request) -> bytes:
    with urllib.request.urlopen(request, timeout=LONGEST_SECONDS) as answer:
        return bytes(answer.read())
