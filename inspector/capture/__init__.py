"""Recording: the only part of the package that watches a live run. See ARCHITECTURE.md."""

from inspector.capture.options import CaptureOptions
from inspector.capture.record import record
from inspector.capture.session import Session, recording

__all__ = ["CaptureOptions", "Session", "record", "recording"]
