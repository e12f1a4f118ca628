"""Entry of the app: `streamlit run app/main.py`.

This file is the page's script, and it says which server runs it: `streamlit run` finds `app` by
reading the file.
"""

from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from inspector_app.screens import (
    compare,
    deploy,
    explore,
    gradients,
    guide,
    open_recording,
    sweep,
    torchscript,
)
from inspector_app.served import routes

app = st.App(__file__, routes=routes())

ABOUT = "See what a PyTorch model did for one input: ops, gradients, decisions and TorchScript."


def pages() -> None:
    """The page that the address names, in the frame that all pages share."""
    st.set_page_config(
        page_title="Torch Graph Inspector",
        # A ":material:" icon would be fetched from a server.
        page_icon=str(Path(__file__).with_name("icon.svg")),
        layout="wide",
        initial_sidebar_state="expanded",
        menu_items={"About": ABOUT},
    )

    st.html(Path(__file__).with_name("page.css"))

    st.navigation(
        [
            st.Page(
                explore.page, title="Explore a model", icon=":material/account_tree:", default=True
            ),
            st.Page(compare.page, title="Compare", icon=":material/compare:", url_path="compare"),
            st.Page(sweep.page, title="Sweep", icon=":material/stacks:", url_path="sweep"),
            st.Page(
                torchscript.page,
                title="TorchScript",
                icon=":material/data_object:",
                url_path="torchscript",
            ),
            st.Page(
                gradients.page,
                title="Gradients",
                icon=":material/trending_down:",
                url_path="gradients",
            ),
            st.Page(
                deploy.page,
                title="Optimise and deploy",
                icon=":material/rocket_launch:",
                url_path="deploy",
            ),
            st.Page(
                open_recording.page,
                title="Open a recording",
                icon=":material/folder_open:",
                url_path="open",
            ),
            st.Page(
                guide.page, title="How to read it", icon=":material/menu_book:", url_path="guide"
            ),
        ]
    ).run()


# The server imports this file once to find `app`; only a browser's run of it shows pages.
if get_script_run_ctx(suppress_warning=True) is not None:
    pages()
