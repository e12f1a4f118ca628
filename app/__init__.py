"""The Streamlit app: a page per job. Installed under the import name `inspector_app`."""
