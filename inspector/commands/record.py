"""`inspector record`: run a script as it is, and record some or all of it.

Exit codes: the script's own (130 after Ctrl-C, 143 after SIGTERM, 1 after an exception, 0 where
`--stop` ended it); 2 when the recording cannot be written, or nothing could be started.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from inspector.commands.places import WRONG_USE, Place, not_written, target
from inspector.commands.progress import Progress
from inspector.commands.speaking import report
from inspector.errors import InspectorError
from inspector.language import counted, sentence
from inspector.ranks import of_rank, with_part

if TYPE_CHECKING:
    from inspector.capture.terminated import Termination
    from inspector.capture.watching.window import Watch
    from inspector.records import Recording

EPILOG = """
\b
Examples:
  python -m inspector record train.py --epochs 1
  python -m inspector record --steps 3 -o first.inspect train.py
  python -m inspector record --start-at-step 100 --steps 1 --stop train.py
  python -m inspector record --only "encoder.layers.0" --values full train.py
  python -m inspector record --when-nonfinite --stop train.py
  python -m inspector record --watch train.py
  python -m inspector record -m package.module --its --own args
\b
Exit code: the script's own; 130 after Ctrl-C, 143 after SIGTERM, 0 where --stop ended the script;
2 when the recording cannot be written or the script cannot be started. A script that is killed
(SIGKILL) or that calls os._exit() ends without a recording of what was not written before.
"""


class _Recorder:
    """Keeps what was asked for on the command line, and what came of it."""

    def __init__(self, output: str, quiet: bool) -> None:
        self.output = output
        # Before a run of hours, and before the script changes folder.
        self.target = target(output)
        self.progress = Progress(quiet)
        self.quiet = quiet
        self.failed = False
        self._wrote: set[str] = set()
        self.script_ended: Callable[[], bool] = lambda: False
        self._at_the_end: list[Callable[[], None]] = []

    def keep(self, recording: Recording, part: str) -> None:
        """Write a recording; "before" is the step before the one that was asked for.

        What is there when the script ends is written after its last words, its traceback.
        """
        self._now_or_then(partial(self._write, recording, part))

    def say(self, text: str) -> None:
        """Tell the user something about the run."""
        self._now_or_then(partial(report, text))

    def conclude(self) -> None:
        """Do what had to wait for the script's end."""
        self.progress.clear()
        for act in self._at_the_end:
            act()

    def _now_or_then(self, act: Callable[[], None]) -> None:
        if self.script_ended():
            self._at_the_end.append(act)
        else:
            self.progress.clear()
            act()

    def _write(self, recording: Recording, part: str) -> None:
        name, place = self.output, str(self.target)
        if part:
            name, place = with_part(name, part), with_part(place, part)
        try:
            recording.save(place)
        except (OSError, InspectorError) as error:
            self.failed = True
            reason = getattr(error, "strerror", None) or str(error)
            report(not_written(name, reason))
            return
        self._wrote.add(part)
        if not self.quiet:
            report(
                counted(
                    "{count} op recorded in {file}",
                    "{count} ops recorded in {file}",
                    len(recording.ops),
                    file=name,
                )
            )
        if not recording.ops:
            for text in recording.notes:  # say why
                report(sentence("note: {text}", text=text))
        if not part:
            self._tidy()

    def _tidy(self) -> None:
        """Take away the good step of a former run: beside this one it would pass for its own."""
        from inspector.capture.watching.nonfinite import BEFORE, PART
        from inspector.store import load

        former = Path(with_part(self.target, BEFORE))
        if BEFORE in self._wrote or not former.is_file():
            return
        with contextlib.suppress(InspectorError, OSError):
            if load(former).meta.get(PART) == BEFORE:
                former.unlink()
                name = with_part(self.output, BEFORE)
                report(sentence("took away {file}, which was of a former run", file=name))


class _Command(click.Command):
    """Its options stand before the script: behind it, shells complete names of files only."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if ctx.params.get("script") is None:
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(incomplete, type="file")]


@click.command(cls=_Command, context_settings={"allow_interspersed_args": False}, epilog=EPILOG)
@click.option("-o", "--output", type=Place(), default="run.inspect", show_default=True,
              help="Where to write.")  # fmt: skip
@click.option("--steps", type=click.IntRange(1), help="Record this many optimizer steps.")
@click.option(
    "--start-at-step",
    type=click.IntRange(0),
    default=0,
    metavar="K",
    help="Run at full speed until K optimizer steps are done, then record.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="PATH",
    help="Record only what runs in calls of this module; * stands for anything. Repeatable.",
)
@click.option(
    "--values",
    type=click.Choice(["stats", "none", "full"]),
    default="stats",
    show_default=True,
    help="What to keep of the tensors' values.",
)
@click.option(
    "--when-nonfinite",
    is_flag=True,
    help="Keep only the first step with NaN or infinity in its loss, gradients or parameters, "
    "and the good one before it (run.before.inspect). Each step is recorded: as slow as that.",
)
@click.option(
    "--watch",
    is_flag=True,
    help="Record nothing, at nearly full speed: say which step is the first with NaN or infinity.",
)
@click.option("--stop", is_flag=True, help="End the script when that is recorded.")
@click.option("--kernels", is_flag=True, help="Record ATen calls below each op (slower).")
@click.option("--max-ops", type=click.IntRange(1), default=200_000, show_default=True,
              help="Stop recording after.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but what went wrong.")
@click.option("-m", "module", is_flag=True, help="SCRIPT is a module, as for python -m.")
@click.argument("script", type=Place())
@click.argument("arguments", nargs=-1, type=Place())
def record(output: str, quiet: bool, module: bool, script: str, arguments: tuple[str, ...],
           **asked: Any) -> None:  # fmt: skip
    """Run SCRIPT with its own ARGUMENTS and record it, without a change to its code.

    An exception, sys.exit, Ctrl-C or SIGTERM still writes the recording. Each call of an
    optimizer's step() is a step; without --stop the script runs on when its steps are recorded.
    """
    _check(asked)
    recorder = _Recorder(of_rank(output), quiet)
    from inspector.capture.script import about, run_script
    from inspector.capture.terminated import Termination

    termination = Termination()
    watch = _watch(recorder, about(script, arguments), asked, termination)
    recorder.script_ended = lambda: watch.over

    def last_words(error: BaseException) -> None:
        watch.__exit__(type(error), error, error.__traceback__)
        _conclude(recorder, watch)

    termination.last_words = last_words
    status = run_script(script, arguments, watch, termination, as_module=module)
    if not watch.forked:  # a child of the script ends as it would alone: the parent tells
        _conclude(recorder, watch)
    termination.finish()
    sys.exit(WRONG_USE if recorder.failed else status)  # why was told when it happened


def _check(asked: dict[str, Any]) -> None:
    """Stop at options that contradict each other."""
    if asked["when_nonfinite"] and asked["watch"]:
        raise click.UsageError("--watch records nothing: give it or --when-nonfinite.")
    looks = asked["when_nonfinite"] or asked["watch"]
    if looks and asked["steps"] is not None:
        raise click.UsageError("--steps is for a recording that ends at a step, not by a find.")
    if asked["stop"] and not looks and asked["steps"] is None:
        raise click.UsageError("--stop needs --steps, --when-nonfinite or --watch: when to stop?")


def _watch(
    recorder: _Recorder, meta: dict[str, Any], asked: dict[str, Any], termination: Termination
) -> Watch:
    from inspector.capture import CaptureOptions
    from inspector.capture.watching.nonfinite import LastGood, Lookout
    from inspector.capture.watching.window import Telling, Window

    options = CaptureOptions(
        values=asked["values"],
        kernels=asked["kernels"],
        max_ops=asked["max_ops"],
        only=asked["only"],
    )
    telling = Telling(recorder.progress.show, recorder.keep, recorder.say)
    common = {"start": asked["start_at_step"], "stop": asked["stop"], "held": termination.held}
    if asked["watch"]:
        return Lookout(options, meta, telling, **common)
    if asked["when_nonfinite"]:
        return LastGood(options, meta, telling, **common)
    return Window(options, meta, telling, length=asked["steps"], **common)


def _conclude(recorder: _Recorder, watch: Watch) -> None:
    """Say what became of the steps, where that is not what was asked for."""
    recorder.conclude()
    for text in watch.shortfall():
        report(text)
