"""The timeline bar in a page of its own, with a real run; Python answers as a server would."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Locator, Page, expect
from torch import nn

from inspector import record, recording
from inspector.errors import InspectorError
from inspector.records import GradNode, Recording, Step
from inspector.render.answers import Book, answer
from inspector.render.timebar import timeline_json
from inspector.render.workbench import Shown, script_text, style_text, workbench_payload
from inspector.timeline import BACKWARD, FORWARD, Kind, step_out, step_over, timeline
from inspector.views import default_open

SERVER = """
Workbench.prototype.can = () => window.withServer;
const take = Timeline.prototype.take;
Timeline.prototype.take = function (data) { take.call(this, data); window.moments = this.moments; };
Workbench.prototype.ask = async function (question, asked = {}) {
  window.asked.push([question, asked]);
  const found = JSON.parse(await window.answerQuestion(question, JSON.stringify(asked)));
  if (window.slow?.[asked.at]) await new Promise((done) => setTimeout(done, window.slow[asked.at]));
  if (found.error) throw new Error(found.error);
  return found;
};
"""
MOUNT = """
async ([js, data, server]) => {
  [window.withServer, window.asked, window.told] = [server, [], []];
  const module = await import(URL.createObjectURL(new Blob([js], {type: "text/javascript"})));
  window.show = (data) => module.mountWorkbench(document.getElementById("host"), data,
    {onSelect: (ref) => told.push(ref)});
  show(data);
}
"""


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.fc(x)
        if h.shape[0] > 1:
            h = torch.log(h)
        return torch.relu(h)


def trained() -> Recording:
    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with recording() as session:
        optimizer.zero_grad()
        loss = net(torch.ones(2, 4)).sum()
        loss.backward()
        optimizer.step()
    return session.recording


@pytest.fixture(scope="module")
def run() -> Recording:
    return trained()


class Bar:
    """A page with a workbench that travels through a run."""

    def __init__(self, page: Page, run: Recording) -> None:
        self.page = page
        self.run = run
        self.time = timeline(run)
        self.book = Book(run)
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(5000)
        page.expose_function("answerQuestion", self._answer)

    def _answer(self, question: str, asked: str) -> str:
        try:
            return json.dumps(answer(self.book, question, json.loads(asked)))
        except InspectorError as error:
            return json.dumps({"error": str(error)})

    def open(self, *, server: bool = True, theme: str = "light", **more: Any) -> Bar:
        shown = Shown(self.run, opened=default_open(self.run))
        data = workbench_payload(shown, height=780)
        data = {**data, "timeline": timeline_json(self.time), "theme": theme, **more}
        self.page.set_content(f'<style>{style_text()}</style><div id="host"></div>')
        self.page.evaluate(MOUNT, [script_text() + SERVER, json.loads(json.dumps(data)), server])
        self.data = data
        return self

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.page.wait_for_timeout(60)

    def moments(self, what: str) -> list[int]:
        """Moments of records by their name or kind."""
        records = [self.time.record(i) for i in range(len(self.time))]
        names = [getattr(r, "name", None) or getattr(r, "kind", "") for r in records]
        return [i for i, name in enumerate(names) if name == what]

    @property
    def track(self) -> Locator:
        return self.page.locator(".wb-track")

    @property
    def at(self) -> int:
        """The moment that the slider shows, from 0."""
        return int(self.track.get_attribute("aria-valuenow") or 0) - 1

    def said(self) -> str:
        return self.track.get_attribute("aria-valuetext") or ""

    def chosen(self, pane: str) -> list[str]:
        rings = self.page.locator(f".wb-panel[data-pane={pane}] .wb-ring-selected")
        return list(rings.evaluate_all("all => all.map(one => one.dataset.for)"))

    def later(self, pane: str) -> set[str]:
        nodes = self.page.locator(f".wb-panel[data-pane={pane}] .node.wb-later")
        return set(nodes.evaluate_all("all => all.map(one => one.dataset.id)"))

    def details(self) -> str:
        return str(self.page.locator(".wb-moment").inner_text())

    def asked(self, question: str) -> list[dict[str, Any]]:
        return [asked for name, asked in self.page.evaluate("asked") if name == question]


OpenBar = Callable[..., Bar]


@pytest.fixture
def bar_of(browser: Browser) -> Iterator[OpenBar]:
    bars: list[Bar] = []

    def open_bar(run: Recording, width: int = 1280, height: int = 800, **more: Any) -> Bar:
        page = browser.new_page(viewport={"width": width, "height": height})
        bars.append(Bar(page, run))
        return bars[-1].open(**more)

    yield open_bar
    for bar in bars:
        bar.page.close()
        assert bar.errors == []


@pytest.fixture
def bar(bar_of: OpenBar, run: Recording) -> Bar:
    opened = bar_of(run)
    opened.page.locator(".wb-viewport").first.focus()
    return opened


# -- stepping ------------------------------------------------------------------------------------


def test_the_bar_is_one_line_until_it_is_opened(bar: Bar) -> None:
    bounds = bar.page.locator(".wb-timeline").bounding_box()
    assert bounds is not None
    assert bounds["height"] < 44
    assert "whole run" in bar.said()
    bar.press("t")
    assert "Step through the run" in bar.details()
    opened = bar.page.locator(".wb-timeline").bounding_box()
    panes = bar.page.locator(".wb-body").bounding_box()
    assert opened is not None
    assert panes is not None
    assert opened["height"] < 260
    assert panes["height"] > 230
    bar.press("t")
    assert bar.page.locator(".wb-moment").is_hidden()


def test_a_run_without_moments_has_no_bar(bar_of: OpenBar) -> None:
    opened = bar_of(record(lambda: 1))
    assert opened.page.locator(".wb-timeline").is_hidden()
    opened.page.keyboard.press(".")


def test_keys_step_through_the_run_and_select_what_runs(bar: Bar) -> None:
    for expected in range(len(bar.time)):
        bar.press(".")
        assert bar.at == expected
        kind, number = bar.time.entries[expected]
        if kind is Kind.OP and bar.page.locator(f'.node[data-id="op:{number}"]').count():
            assert bar.chosen("dynamic") == [f"op:{number}"]
        if kind is Kind.GRAD:
            assert bar.chosen("backward") == [f"grad:{number}"]
            assert (
                bar.page.locator(".wb-tab[data-pane=backward]").get_attribute("aria-selected")
                == "true"
            )
    bar.press(".")
    assert bar.at == len(bar.time) - 1
    expect(bar.page.locator(".wb-live")).to_have_text("The run ends here.")
    bar.press(",")
    assert bar.at == len(bar.time) - 2


def test_the_slider_says_which_op_of_how_many_and_where(bar: Bar) -> None:
    (at,) = bar.moments("linear")
    bar.track.focus()
    bar.press("Home", *["ArrowRight"] * at)
    assert bar.said() == f"op 2 of {len(bar.run.ops)}: linear, Net.fc"
    (at,) = bar.moments("ReluBackward0")
    bar.press("Home", *["."] * at)
    number = bar.time.entries[at][1] + 1
    total = len(bar.run.grad_nodes)
    assert bar.said() == f"autograd node {number} of {total}: ReluBackward0, Net"
    assert bar.track.get_attribute("aria-valuemax") == str(len(bar.time))


def test_steps_over_and_out_agree_with_the_functions_of_the_timeline(bar: Bar) -> None:
    moves = {"over": step_over, "out": step_out}
    for direction in (FORWARD, BACKWARD):
        for name, move in moves.items():
            expected = [move(bar.time, at, direction) for at in range(len(bar.time))]
            found = bar.page.evaluate(
                "([name, by, n]) => Array.from({length: n}, (_, at) => moments.move(at, name, by))",
                [name, direction, len(bar.time)],
            )
            assert found == expected, (name, direction)
    (log,) = bar.moments("log")  # inside of the module, and what it computes is not
    bar.press(*["."] * (log + 1), "e")
    assert bar.at == step_out(bar.time, log)
    bar.press("<")
    assert bar.at == step_over(bar.time, step_out(bar.time, log) or 0, BACKWARD)
    bar.press(">")
    assert bar.at == step_out(bar.time, log)


def test_buttons_do_what_the_keys_do(bar: Bar) -> None:
    def click(name: str, **more: Any) -> None:
        bar.page.get_by_role("button", name=name, exact=False).first.click(**more)

    click("Step (.)")
    click("Step (.)")
    assert bar.at == 1
    click("Step back")
    assert bar.at == 0
    click("Step over")
    assert bar.at == 1
    click("Step over", modifiers=["Shift"])
    assert bar.at == 0


def test_dragging_along_the_bar_moves_through_the_run(bar: Bar) -> None:
    box = bar.track.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    bar.page.mouse.move(box["x"] + 2, y)
    bar.page.mouse.down()
    assert bar.at == 0
    bar.page.mouse.move(box["x"] + box["width"] / 2, y, steps=4)
    assert abs(bar.at - len(bar.time) // 2) <= 1
    bar.page.mouse.move(box["x"] + box["width"] + 300, y, steps=4)
    bar.page.mouse.up()
    assert bar.at == len(bar.time) - 1
    bar.page.mouse.move(box["x"] + 5, y)
    assert bar.at == len(bar.time) - 1


def test_play_goes_on_to_the_end_and_stops(bar: Bar) -> None:
    bar.page.locator(".wb-speed").select_option("100")
    bar.page.get_by_role("button", name="Play").click()
    bar.page.get_by_role("button", name="Pause").wait_for()
    bar.page.get_by_role("button", name="Play").wait_for()
    assert bar.at == len(bar.time) - 1


def test_one_can_go_to_the_moment_of_what_is_selected(bar: Bar) -> None:
    bar.page.locator('.wb-panel[data-pane=dynamic] .node[data-id="op:2"]').click()
    bar.press("g")
    assert bar.time.entries[bar.at] == (Kind.OP, 2)
    bar.page.locator(".wb-tab[data-pane=backward]").click()
    bar.page.locator('.wb-panel[data-pane=backward] .node[data-id="grad:1"]').click()
    bar.press("g")
    assert bar.time.entries[bar.at] == (Kind.GRAD, 1)


def test_a_run_that_failed_says_so_at_its_last_moment(bar_of: OpenBar) -> None:
    def broken(x: torch.Tensor) -> torch.Tensor:
        y = x.relu()
        return {}["no such key"] + y  # type: ignore[no-any-return]

    failed = bar_of(record(broken, torch.ones(2)))
    failed.track.focus()
    failed.press("End")
    expect(failed.page.locator(".wb-now")).to_contain_text("KeyError")
    expect(failed.page.locator(".wb-mark-failed")).to_have_count(2)  # on the bar, and in its key


# -- the graph -----------------------------------------------------------------------------------


def test_what_has_not_run_yet_is_paler_until_time_travel_ends(bar: Bar) -> None:
    (relu,) = bar.moments("relu")
    drawn = bar.page.locator(".wb-panel[data-pane=dynamic] .node").evaluate_all(
        "all => all.map(one => one.dataset.id)"
    )
    bar.press(*["."] * (relu + 1))
    number = bar.time.entries[relu][1]
    ran = {f"op:{op}" for op in range(number + 1)}
    assert {node for node in drawn if node in ran}
    assert not bar.later("dynamic") & ran
    assert {node for node in drawn if node.startswith("op:")} - ran <= bar.later("dynamic")
    assert {f"grad:{node.id}" for node in bar.run.grad_nodes} == bar.later("backward")
    bar.page.get_by_role("button", name="Leave time travel").click()
    assert bar.later("dynamic") == bar.later("backward") == set()
    assert "whole run" in bar.said()


def test_a_new_picture_of_the_same_run_keeps_the_moment(bar: Bar) -> None:
    bar.press(".", ".", ".")
    before = bar.later("dynamic")
    everything = Shown(bar.run, opened=frozenset())
    data = {**bar.data, **workbench_payload(everything, height=780)}
    bar.page.evaluate("data => { show(data) }", json.loads(json.dumps(data)))
    assert bar.at == 2
    assert bar.later("dynamic")
    bar.page.evaluate("data => { show(data) }", json.loads(json.dumps(bar.data)))
    assert bar.later("dynamic") == before


def test_a_step_in_a_large_graph_touches_a_handful_of_elements(bar_of: OpenBar) -> None:
    lines = ["def chain(x):", *["    x = x * 1.01"] * 250, "    return x"]
    made: dict[str, Any] = {}
    exec("\n".join(lines), made)  # no file behind it: nothing is folded
    large = bar_of(record(made["chain"], torch.ones(2)), server=False)
    assert large.page.locator(".wb-panel[data-pane=dynamic] .node").count() > 200
    large.track.focus()
    touched = large.page.evaluate(
        """async () => {
          const track = document.querySelector(".wb-track");
          const graph = document.querySelector(".wb-panel[data-pane=dynamic] .wb-stage");
          const watch = new MutationObserver(() => {});
          const options = {subtree: true, attributes: true, childList: true};
          watch.observe(graph, options);
          const touched = [];
          for (let i = 0; i < 30; i += 1) {
            track.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}));
            touched.push(new Set(watch.takeRecords().map((change) => change.target)).size);
            await new Promise(requestAnimationFrame);
            watch.takeRecords();
          }
          return touched;
        }"""
    )
    entering, *steps = touched  # all that comes later turns pale
    assert entering > 200
    assert max(steps) < 10


# -- details -------------------------------------------------------------------------------------


def test_details_tell_stack_modules_and_what_is_alive(bar: Bar) -> None:
    (log,) = bar.moments("log")
    bar.press("t", *["."] * (log + 1))
    bar.page.locator(".wb-alive summary").wait_for()
    found = bar.details()
    for text in ("torch.log", "h = torch.log(h)", "Net.forward", "train", "parameters"):
        assert text in found
    expected = bar.time.lifetimes.nbytes[log]
    assert f"{expected} B" in found
    bar.page.locator(".wb-alive summary").click()
    assert "used now or later" in bar.details()
    assert "fc.weight" in bar.details()


def test_a_line_of_the_stack_opens_in_the_source(bar: Bar) -> None:
    (log,) = bar.moments("log")
    bar.press("t", *["."] * (log + 1))
    outer = bar.page.locator(".wb-moment .wb-stack .wb-link").nth(1)
    line = (outer.inner_text()).rpartition(":")[2]
    outer.click()
    row = bar.page.locator(f'.wb-panel[data-pane=source] .wb-line[data-key$=":{line}"]')
    row.wait_for()
    expect(row).to_be_visible()


def test_an_answer_that_comes_too_late_is_dropped(bar: Bar) -> None:
    bar.press("t")
    bar.page.evaluate("window.slow = {1: 700}")
    bar.press(".", ".")
    bar.page.wait_for_timeout(200)  # the details of moment 1 are asked for, and take their time
    bar.press(".")
    bar.page.locator(".wb-alive summary").wait_for()
    first = bar.details()
    bar.page.wait_for_timeout(800)
    # On a slow machine the two first steps may be asked about one by one.
    assert [asked["at"] for asked in bar.asked("moment")][-2:] == [1, 2]
    assert bar.details() == first


def test_holding_a_key_down_asks_only_about_the_last_moment(bar: Bar) -> None:
    for _ in range(8):
        bar.page.keyboard.press(".")
    bar.page.wait_for_timeout(400)
    assert bar.asked("moment")[-1]["at"] == 7
    assert len(bar.asked("moment")) < 8


# -- run until -----------------------------------------------------------------------------------


def test_run_until_goes_from_hit_to_hit_and_says_when_there_is_none(bar: Bar) -> None:
    bar.press("u")
    bar.page.locator(".wb-until select").select_option("op")
    bar.page.locator(".wb-until-value").fill("*Backward0")
    hits = [
        i
        for i in range(len(bar.time))
        if isinstance(node := bar.time.record(i), GradNode) and node.name.endswith("Backward0")
    ]
    for expected in [*hits, hits[-1]]:
        bar.press("Enter")
        bar.page.wait_for_timeout(120)
        assert bar.at == expected
    expect(bar.page.locator(".wb-until-message")).to_contain_text("No later moment")
    bar.press("Shift+Enter")
    bar.page.wait_for_timeout(120)
    assert bar.at == hits[-2]
    bar.press("Escape")
    assert bar.page.locator(".wb-until").is_hidden()
    bar.press("u")
    bar.track.focus()
    bar.press("j")
    bar.page.wait_for_timeout(120)
    assert bar.at == hits[-1]


def test_run_until_the_first_nan(bar: Bar) -> None:
    bar.press("u")
    bar.page.locator(".wb-until select").select_option("nonfinite")
    assert bar.page.locator(".wb-until-value").is_hidden()
    bar.page.get_by_role("button", name="Next").last.click()
    bar.page.wait_for_timeout(150)
    assert [bar.at] == bar.moments("log")
    expect(bar.page.locator(".wb-now")).to_contain_text("NaN or Inf")


def test_an_expression_that_is_not_understood_is_explained_where_it_was_typed(bar: Bar) -> None:
    bar.press("u")
    bar.page.locator(".wb-until select").select_option("expression")
    bar.page.locator(".wb-until-value").fill("grad_norm > 1 and modul == 'fc'")
    bar.press("Enter")
    bar.page.locator(".wb-until-message", has_text="Column 19").wait_for()
    bar.page.locator(".wb-until-help summary").click()
    expect(bar.page.locator(".wb-until-help")).to_contain_text("Euclidean norm")
    bar.page.locator(".wb-until-value").fill("grad_norm > 0 and kind == 'grad' and op == 'sum'")
    bar.press("Enter")
    bar.page.wait_for_timeout(150)
    assert [bar.at] == bar.moments("SumBackward0")


def test_letters_that_are_typed_into_the_form_are_no_commands(bar: Bar) -> None:
    bar.press("u")
    bar.page.locator(".wb-until select").select_option("op")
    bar.page.locator(".wb-until-value").click()
    bar.page.keyboard.type("e.k,t")
    assert bar.page.locator(".wb-until-value").input_value() == "e.k,t"
    assert "whole run" in bar.said()


# -- without a server, and very long runs --------------------------------------------------------


def test_a_page_without_a_server_steps_and_searches_by_itself(
    bar_of: OpenBar, run: Recording
) -> None:
    alone = bar_of(run, server=False)
    alone.track.focus()
    alone.press("t", "Home", ".", ".")
    assert alone.at == 2
    assert "Net.forward" in alone.details()
    assert f"{alone.time.lifetimes.nbytes[2]} B" in alone.details()
    alone.press("u")
    offered = alone.page.locator(".wb-until option").evaluate_all("all => all.map(o => o.value)")
    assert offered == ["nonfinite", "failure", "op", "module", "line"]
    alone.page.locator(".wb-until select").select_option("module")
    alone.page.locator(".wb-until-value").fill("*.f?")
    alone.track.focus()
    alone.press("Home")
    alone.page.locator(".wb-until-value").focus()
    alone.press("Enter")
    assert [alone.at] == alone.moments("linear")
    assert alone.page.evaluate("asked") == []


def test_a_run_that_is_too_long_to_send_asks_for_each_step(
    bar_of: OpenBar, run: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.render.timebar.MAX_BYTES", 10)
    long = bar_of(run)
    long.track.focus()
    long.press("Home", ".")
    long.page.wait_for_timeout(300)
    assert long.at == 1
    expect(long.page.locator(".wb-now strong")).to_have_text("ones")
    assert long.chosen("dynamic") == ["op:0"]
    assert "op:1" in long.later("dynamic")
    long.press(">")
    long.page.wait_for_timeout(300)
    assert long.at == step_over(long.time, 1)
    assert isinstance(long.time.record(0), Step)


def test_names_from_the_code_are_shown_as_text(bar_of: OpenBar) -> None:
    made = record(lambda x: x.relu(), torch.ones(2))
    named = replace(made, ops=(replace(made.ops[0], name="<img src=x onerror=boom()>"),))
    opened = bar_of(named)
    opened.track.focus()
    opened.press("t", "Home")
    opened.page.wait_for_timeout(200)
    expect(opened.page.locator(".wb-now strong")).to_have_text("<img src=x onerror=boom()>")
    expect(opened.page.locator(".wb-timeline img")).to_have_count(0)


def test_the_help_lists_the_keys_of_time_travel(bar: Bar) -> None:
    bar.press("?")
    text = bar.page.locator(".wb-sheet").inner_text()
    for part in ("step over what runs inside", "run until", "time travel"):
        assert part in text
