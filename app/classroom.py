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
from streamlit import config, net_util

from inspector.errors import InspectorError
from inspector.language import counted, sentence
from inspector_app import sandbox
from inspector_app.jobs import Job
from inspector_app.phrases import escaped, say, told
from inspector_app.programs import ProgramJob
from inspector_app.sandbox import Isolation, Program
from inspector_app.settings import Settings, settings
from inspector_app.signing import TRIED, TROUBLE, check_sign_in, sign_in

P = TypeVar("P", bound=ProgramJob)

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


def isolation() -> Isolation:
    """How well programs are kept apart on this machine.

    It is for what the pages say. Where code of one's own must be kept apart, each run demands it
    (`started`), whatever was found here.
    """
    return _tried()[1]


def _holds(tried: tuple[float, Isolation]) -> bool:
    """Whether it need not be tried again: a wall that was missing may be there a minute later."""
    when, found = tried
    return found.complete or time.monotonic() - when < MINUTE


@st.cache_resource(show_spinner=False, validate=_holds)
def _tried() -> tuple[float, Isolation]:
    """When an empty program was run, and what kept it apart."""
    found = sandbox.run(Program("", name="nothing", plain=True)).isolation
    return time.monotonic(), found


def started(job: P) -> P:
    """Start a session's own run; one that may not run has ended at once, with the reason."""
    job.apart = settings().editor == "sandboxed"
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
    # Streamlit would ask a machine of somebody else's for the address of this one: when it listens
    # on all networks, and whenever a page of another site knocks.
    net_util.get_external_ip = _unknown
    try:
        known = settings()
        check_sign_in()
    except InspectorError as error:
        sys.exit(f"error: {error.message}")
    if known.upload_mb is not None:
        config.set_option("server.maxUploadSize", known.upload_mb)
    if known.classroom:
        # An error of ours shows paths and lines of the server to whoever runs it, in its log.
        config.set_option("client.showErrorDetails", "none")
        # One folder for all: whoever comes could read and delete what others keep.
        os.environ.setdefault("INSPECTOR_LIBRARY", "off")


def _unknown() -> None:
    return None


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
    trouble = TROUBLE.get(st.query_params.get(TRIED, ""))
    if trouble is not None:
        st.error(told(trouble), icon=":material/error:")
    st.markdown(say("Sign in to see this course's models and lessons."))
    for number, provider in enumerate(providers(sign_in())):
        label = say("Sign in")
        if provider is not None:
            label = say("Sign in with {provider}", provider=escaped(provider))
        st.button(
            label, key=f"sign-in-{number}", type="primary", on_click=st.login, args=(provider,)
        )


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
