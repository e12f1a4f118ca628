"""Callbacks for training libraries. Each module needs the library that it is named after."""
