"""A page run by Streamlit's AppTest: opened by an address, and drawn again until it says something.

For pages with work under way: in a browser their fragments draw them again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from streamlit.testing.v1 import AppTest

TIMEOUT_S = 60


def opened_page(script: str, wait: str, query: Mapping[str, str]) -> AppTest:
    """The page of a script, opened by an address with `query`, once it says `wait`."""
    app = AppTest.from_string(script, default_timeout=TIMEOUT_S)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    wait_for(app, wait)
    return app


def texts(app: AppTest) -> str:
    """All that the page says, without the escapes of Markdown and the data of pictures."""
    kinds = (app.markdown, app.caption, app.warning, app.info, app.error, app.html)
    said = "\n".join(str(one.value) for kind in kinds for one in kind)
    said = re.sub(r"(data:image/svg.xml;base64,)[^\"]*", r"\1", said)
    return said.replace("\\", "").replace("\u00a0", " ")


def wait_for(app: AppTest, text: str, seconds: float = 60.0) -> None:
    """Draw the page again, as its fragment does in a browser, until it says `text`."""
    deadline = time.monotonic() + seconds
    while text not in texts(app):
        assert time.monotonic() < deadline, texts(app)
        time.sleep(0.2)
        app.run()
        assert not app.exception


def buttons(app: AppTest, label: str) -> list[Any]:
    """Those with this label."""
    return [one for one in app.button if one.label == label]
