"""Entry of the app: `streamlit run app/main.py`.

This file is the page's script, and it says which server runs it: `streamlit run` finds `app` by
reading the file.
"""

import json
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime.scriptrunner import get_script_run_ctx

from inspector_app import editor
from inspector_app.classroom import keep_settings, signed_in_or_stop
from inspector_app.gate import Gate
from inspector_app.language_switch import choose_language
from inspector_app.phrases import language_in_address, say, spoken
from inspector_app.screens import (
    bugs,
    compare,
    deploy,
    explore,
    gradients,
    guide,
    lessons,
    open_recording,
    owncode,
    sweep,
    torchscript,
)
from inspector_app.served import routes

app = st.App(__file__, routes=[*routes(), *editor.routes()], middleware=[Middleware(Gate)])


def pages() -> None:
    """The page that the address names, in the frame that all pages share."""
    choose_language()
    about = say(
        "See what a PyTorch model did for one input: ops, gradients, decisions and TorchScript."
    )
    st.set_page_config(
        page_title="Torch Graph Inspector",
        # A ":material:" icon would be fetched from a server.
        page_icon=str(Path(__file__).with_name("icon.svg")),
        layout="wide",
        initial_sidebar_state="expanded",
        menu_items={"About": about},
    )

    st.html(Path(__file__).with_name("page.css"))
    signed_in_or_stop()
    with st.container(key="page-language"):
        st.html(_script(), unsafe_allow_javascript=True)

    st.navigation(
        [
            st.Page(
                explore.page,
                title=say("Explore a model"),
                icon=":material/account_tree:",
                default=True,
            ),
            st.Page(
                owncode.page, title=say("Your own code"), icon=":material/code:", url_path="code"
            ),
            st.Page(
                lessons.page, title=say("Lessons"), icon=":material/school:", url_path="lessons"
            ),
            st.Page(
                bugs.page, title=say("Bug gallery"), icon=":material/bug_report:", url_path="bugs"
            ),
            st.Page(
                compare.page, title=say("Compare"), icon=":material/compare:", url_path="compare"
            ),
            st.Page(sweep.page, title=say("Sweep"), icon=":material/stacks:", url_path="sweep"),
            st.Page(
                torchscript.page,
                title=say("TorchScript"),
                icon=":material/data_object:",
                url_path="torchscript",
            ),
            st.Page(
                gradients.page,
                title=say("Gradients"),
                icon=":material/trending_down:",
                url_path="gradients",
            ),
            st.Page(
                deploy.page,
                title=say("Optimise and deploy"),
                icon=":material/rocket_launch:",
                url_path="deploy",
            ),
            st.Page(
                open_recording.page,
                title=say("Recordings"),
                icon=":material/folder_open:",
                url_path="open",
            ),
            st.Page(
                guide.page,
                title=say("How to read it"),
                icon=":material/menu_book:",
                url_path="guide",
            ),
        ]
    ).run()


def _script() -> str:
    """What the frame of the pages does in the browser, and the language that they speak."""
    code = Path(__file__).with_name("assets").joinpath("navigation.js").read_text(encoding="utf-8")
    # Fonts and screen readers go by the document's language.
    language = spoken().replace("_", "-")
    own = json.dumps(language_in_address())
    words = {
        "upload": say("Upload"),
        "drop": say("or drop files here"),
        "away": say("The server does not answer"),
        "away-more": say(
            "This page goes on by itself as soon as it does. What you typed stays in this tab. What"
            " was run or uploaded may be gone then: run it or upload it again."
        ),
    }
    return (
        f"<script>{code}\ndocument.documentElement.lang = '{language}';"
        f"\nwindow.__inspectorNavigation.language = {own};"
        f"\nwindow.__inspectorNavigation.say({json.dumps(words)});</script>"
    )


# The server imports this file once to find `app`; only a browser's run of it shows pages.
if get_script_run_ctx(suppress_warning=True) is not None:
    pages()
else:
    keep_settings()
