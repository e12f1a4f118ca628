"""What a session may do here, by the server's settings: sign in first, then run so much code.

signed_in_or_stop()                 at the top of each page
job = started(ProgramJob(program))  runs, or has ended at once with a reason why it may not
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st
from streamlit import config

from inspector.errors import InspectorError
from inspector.language import counted, sentence
from inspector_app import sandbox
from inspector_app.jobs import Job
from inspector_app.phrases import escaped, say
from inspector_app.sandbox import Isolation, Program
from inspector_app.settings import Settings, settings

J = TypeVar("J", bound=Job[Any, Any])

MINUTE = 60.0


@dataclass
class Quota:
    """What one session has run: when its last runs began, and those that have not ended."""

    begun: list[float] = field(default_factory=list)
    running: list[Job[Any, Any]] = field(default_factory=list)

    def refusal(self, known: Settings, now: float) -> str:
        """Why no more may run now, as a text of the library; "" where it may.

        Args:
            known: the server's settings.
            now: seconds, of a clock that only goes forward.
        """
        self.running = [job for job in self.running if not job.ended]
        self.begun = [begun for begun in self.begun if now - begun < MINUTE]
        if known.runs_at_once is not None and len(self.running) >= known.runs_at_once:
            return counted(
                "Your last run has not ended yet. Wait for it, or stop it.",
                "{count} of your runs have not ended yet. Wait for them, or stop one.",
                len(self.running),
            )
        if known.runs_per_minute is not None and len(self.begun) >= known.runs_per_minute:
            wait = MINUTE - (now - self.begun[-known.runs_per_minute])
            return sentence(
                "You have run code {runs} times in the last minute, and others want a turn, too. "
                "Run it again in {seconds:.0f} s.",
                runs=len(self.begun),
                seconds=max(wait, 1.0),
            )
        return ""


def allowed_to_run(quota: Quota, known: Settings | None = None) -> str:
    """Why a session may not run code of its own now, as a text of the library; "" if it may."""
    known = known or settings()
    return editor_refusal(known) or quota.refusal(known, time.monotonic())


def editor_refusal(known: Settings | None = None) -> str:
    """Why nobody may run code of their own here; "" where they may."""
    known = known or settings()
    if known.editor == "off":
        return sentence("Code of your own is not run on this server.")
    if known.editor == "sandboxed" and not isolation().complete:
        return sentence(
            "Code of your own is not run on this server: it could not be kept apart well enough "
            "from other people's."
        )
    return ""


@st.cache_resource(show_spinner=False)
def isolation() -> Isolation:
    """How well programs are kept apart on this machine: an empty one is run, once."""
    return sandbox.run(Program("", name="nothing", plain=True)).isolation


def started(job: J) -> J:
    """Start a session's own run; one that may not run has ended at once, with the reason."""
    quota = _quota()
    refusal = allowed_to_run(quota)
    if refusal:
        job.refuse(refusal)
        return job
    quota.begun.append(time.monotonic())
    quota.running.append(job)
    return job.start()


def _quota() -> Quota:
    found: Quota | None = st.session_state.get("_quota")
    if found is None:
        found = st.session_state["_quota"] = Quota()
    return found


def keep_settings() -> None:
    """At the server's start: read the settings, and have the server and the library keep to them.

    Raises:
        SystemExit: one of them cannot be read.
    """
    try:
        known = settings()
    except InspectorError as error:
        sys.exit(f"error: {error.message}")
    if known.upload_mb is not None:
        config.set_option("server.maxUploadSize", known.upload_mb)
    if known.classroom:
        # One folder for all: whoever comes could read and delete what others keep.
        os.environ.setdefault("INSPECTOR_LIBRARY", "off")


# -- signing in ------------------------------------------------------------------------------------


def signed_in_or_stop() -> None:
    """Where sign-in is configured (`[auth]` in secrets.toml), go on only with who has signed in."""
    if "is_logged_in" not in st.user:
        return
    if not st.user.is_logged_in:
        _ask_to_sign_in()
        st.stop()
    with st.sidebar.container(key="signed-in", horizontal=True, vertical_alignment="center"):
        st.caption(escaped(_name()))
        st.button(say("Sign out"), key="sign-out", type="tertiary", on_click=st.logout)


def _ask_to_sign_in() -> None:
    st.title("Torch Graph Inspector", anchor=False)
    st.markdown(say("Sign in to see this course's models and lessons."))
    for number, provider in enumerate(providers(_auth())):
        label = say("Sign in")
        if provider is not None:
            label = say("Sign in with {provider}", provider=escaped(provider))
        st.button(
            label, key=f"sign-in-{number}", type="primary", on_click=st.login, args=(provider,)
        )


def _auth() -> Mapping[str, Any]:
    try:
        return dict(st.secrets.get("auth", {}))
    except FileNotFoundError:  # of secrets
        return {}


def providers(auth: Mapping[str, Any]) -> list[str | None]:
    """The names of the sign-in services of `[auth]`; None is the one that has no name."""
    named = [name for name, value in auth.items() if isinstance(value, Mapping)]
    own = [None] if "client_id" in auth or not named else []
    return [*own, *(name for name in named if name != "client_kwargs")]


def _name() -> str:
    for claim in ("name", "preferred_username", "email"):
        if st.user.get(claim):
            return str(st.user[claim])
    return say("Signed in")
