"""What explorers are made of: controls, one function that draws what they say or works step by step, one output with two faces.

Core ipywidgets only, 7.7 and 8, on `observe` with an `HTML` view; whatever draws or computes holds `picture.LOCK`.
The two faces: the live widget where a kernel answers, and its static twin (html, PNG, plain text) on every other page.
"""

from __future__ import annotations

import hashlib
import html
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Protocol

import ipywidgets
import torch
from torch import Tensor

from helpers.language import LearnerError, say
from helpers.notebook import Table
from helpers.training import Interrupts
from lessons.kit.picture import LOCK, VERMILION
from lessons.kit.torch_errors import format_error

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
MOST_REDRAWINGS = 8  # a second
BREATH = 0.001  # seconds between two steps: long enough for another explorer, waiting for the lock, to get it
REFLEX = 0.3  # seconds: a press that comes sooner after the end was made before it, and waited in the queue


class Shown(Protocol):
    """What an explorer draws: a `Picture` or a `Sentence`."""

    def html(self) -> str: ...
    def bundle(self) -> dict[str, str]: ...


class Sentence:
    """Words in the place of a picture, when there is nothing to draw: they say what to do. Details are folded away beneath."""

    def __init__(self, text: str, details: str = "") -> None:
        self.text, self.details = text, details

    def html(self) -> str:
        if self.details:
            return format_error(self.text, self.details)
        style = f"border-left: 4px solid {VERMILION}; padding: 0.4em 1em; line-height: 1.5"
        return f'<p role="alert" style="{style}">{html.escape(self.text)}</p>'

    def bundle(self) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": self.text}


class Live:
    """One output with two faces: `widget`, and `shown`, which is what stands in it now."""

    widget: ipywidgets.Widget
    shown: Shown

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {**self.shown.bundle(), WIDGET_VIEW: view}


class Explorer(Live):
    """Controls above a picture that is drawn anew at every change.

    controls: labelled widgets by name; draw: gets their values under the same names, and returns what to show. Where it raises
    `LearnerError`, that sentence is shown. `shown` is what stands in the view now.
    """

    def __init__(self, controls: Mapping[str, ipywidgets.Widget], draw: Callable[[SimpleNamespace], Shown]) -> None:
        self.controls, self._draw = dict(controls), draw
        self.view = ipywidgets.HTML()
        self.widget = ipywidgets.VBox([make_row(*self.controls.values()), self.view])
        self.update()
        for control in self.controls.values():
            control.observe(self.update, names="value")

    def update(self, change: object = None) -> None:
        """Draw what the controls say now."""
        with LOCK:
            try:
                self.shown = self._draw(read_values(self.controls))
            except LearnerError as sentence:
                self.shown = Sentence(str(sentence))
            self.view.value = self.shown.html()


class LongWork(Live):
    """A button that starts long work, a bar with what is left in words beside it, and a view that follows the work.

    work: gets the controls' values by name, and yields again and again the share that is done (0 to 1) and a function that draws
    what there is to see so far. That is called when the view is due, at most eight times a second and half of the time, and
    always for the last.
    shown: what stands on the page before the first press, where no kernel answers; waiting: what stands there where one does (by
    default the same), so that nobody reads the result before the work is done. start: what the button says; steps: how many the
    whole is, if it has any.

    Each turn of the work holds the lock and lets go of it before the next, so that other explorers stay alive. An interrupt of the
    kernel ends the work and keeps what is shown (in ipykernel 7's second thread none arrives). However it ends, the button is
    free again. A subclass's work may say more of itself while it runs, in the two attributes below.
    """

    _preparing: float  # seconds before the steps began: they say nothing of the pace, and so of what is left
    _when_stopped: Callable[[], Shown] | None  # draws what an interrupt leaves; None: what was drawn last stays

    def __init__(
        self,
        work: Callable[[SimpleNamespace], Iterator[tuple[float, Callable[[], Shown]]]],
        shown: Shown,
        *,
        waiting: Shown | None = None,
        start: str,
        controls: Mapping[str, ipywidgets.Widget] | None = None,
        steps: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.controls, self._work, self._steps, self._clock = dict(controls or {}), work, steps, clock
        self._one_at_a_time, self._ended = threading.Lock(), float("-inf")
        self.start = ipywidgets.Button(description=start, button_style="primary", layout={"width": "auto"})
        self.bar = ipywidgets.FloatProgress(0, min=0, max=1, layout={"width": "16em", "margin": "2px 0.5em 2px 0"})
        self.words = ipywidgets.HTML()
        self.view = ipywidgets.HTML()
        self.widget = ipywidgets.VBox(
            [make_row(*self.controls.values(), self.start), make_row(self.bar, self.words), self.view]
        )
        self._show(shown)
        self.view.value = (waiting or shown).html()
        self._tell(say(en="Not started yet.", zh="还没开始。"))
        self.start.on_click(self._press)

    def run(self) -> None:
        """Do the work from its beginning to its end, as the button does; while it is being done, do nothing."""
        if not self._one_at_a_time.acquire(blocking=False):
            return
        try:
            self.start.disabled = True
            self._follow()
        finally:
            self.start.description = say(en="Again", zh="再来一次")
            self.start.disabled = False
            self._ended = self._clock()
            self._one_at_a_time.release()

    def _press(self, button: ipywidgets.Button) -> None:
        if self._clock() - self._ended >= REFLEX:
            self.run()

    def _follow(self) -> None:
        begun, due, share, work, draw = self._clock(), float("-inf"), 0.0, None, None
        self._preparing, self._when_stopped = 0.0, None
        try:
            self._show_progress(share, 0.0)
            work = self._work(read_values(self.controls))
            with Interrupts(signal.SIGINT, at_once=True) as interrupts:
                while not interrupts.asked:
                    with LOCK:
                        turn = next(work, None)
                        if turn is None:
                            break
                        share, draw = turn
                        now = self._clock()
                        if now >= due:
                            self._show(draw())
                            draw, drawn = None, self._clock()
                            due = max(now + 1 / MOST_REDRAWINGS, drawn + (drawn - now))
                            self._show_progress(share, drawn - begun)
                    time.sleep(BREATH)
                else:
                    raise KeyboardInterrupt
            if draw is not None:
                with LOCK:
                    self._show(draw())
            self._show_finished(begun)
        except KeyboardInterrupt:
            self._show_stopped(share)
        except LearnerError as sentence:
            self._show_failed(Sentence(str(sentence)))
        except Exception:
            text = say(
                en="Something went wrong, and the work has stopped. The button is free: you can try again. "
                "Whoever is to repair it needs the technical details below.",
                zh="出错了，已经停下。按钮还能用，可以再试一次。请别人帮忙修时，把下面的技术细节给他看。",
            )
            self._show_failed(Sentence(text, traceback.format_exc()))
        finally:
            if close := getattr(work, "close", None):  # of a generator: what it would still do at its end
                close()

    def _show(self, shown: Shown) -> None:
        self.shown = shown
        self.view.value = shown.html()

    def _tell(self, text: str) -> None:
        self.words.value = f'<span role="status">{html.escape(text)}</span>'

    def _show_progress(self, share: float, spent: float) -> None:
        """The bar, and in words how far it is and how long it will take at the pace so far."""
        self.bar.value, self.bar.bar_style = share, ""
        spent = max(0.0, spent - self._preparing)
        self._tell(self._describe_progress(share) + (_describe_time_left(spent * (1 - share) / share) if share else ""))

    def _describe_progress(self, share: float) -> str:
        if self._steps is None:
            return say(en=f"{share:.0%} done", zh=f"已完成 {share:.0%}")
        step = round(share * self._steps)
        return say(en=f"step {step} of {self._steps}", zh=f"第 {step} 步，共 {self._steps} 步")

    def _show_finished(self, begun: float) -> None:
        self.bar.value, self.bar.bar_style = 1, "success"
        seconds, steps = f"{self._clock() - begun:.1f}", self._steps
        self._tell(
            say(en=f"Done in {seconds} s.", zh=f"完成，用时 {seconds} 秒。")
            if steps is None
            else say(en=f"Done: {steps} steps in {seconds} s.", zh=f"完成：{steps} 步，用时 {seconds} 秒。")
        )

    def _show_stopped(self, share: float) -> None:
        self.bar.value, self.bar.bar_style = share, "warning"
        far = self._describe_progress(share)
        self._tell(say(en=f"Stopped: {far}. What was drawn stays.", zh=f"已停下：{far}。已画出的部分保留。"))
        if self._when_stopped is not None:
            with LOCK:
                self._show(self._when_stopped())

    def _show_failed(self, sentence: Sentence) -> None:
        self.bar.bar_style = "danger"
        self._show(sentence)
        self._tell(say(en="Stopped.", zh="已停下。"))


def _describe_time_left(seconds: float) -> str:
    if seconds < 1:
        return say(en=", less than 1 s left", zh="，剩不到 1 秒")
    if seconds < 90:
        return say(en=f", about {seconds:.0f} s left", zh=f"，约剩 {seconds:.0f} 秒")
    return say(en=f", about {seconds / 60:.0f} min left", zh=f"，约剩 {seconds / 60:.0f} 分钟")


@contextmanager
def use_one_thread() -> Iterator[None]:
    """Torch computes in one thread: a pocket model gains little from two, and loses much where another program wants the cores.

    Measured on two of them: 2.9 s against 2.4 s when both are free, and 3 to 6 s against 40 to 110 s beside a busy one.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def compute_checksum(model: torch.nn.Module) -> str:
    """A checksum of all parameters, byte by byte: equal before and after, no number of a frozen model has changed."""
    digest = hashlib.blake2b()
    for parameter in model.parameters():
        digest.update(parameter.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


# --- controls -----------------------------------------------------------------------------------------------------------------


def read_values(controls: Mapping[str, ipywidgets.Widget]) -> SimpleNamespace:
    """What stands in controls now, by their names."""
    return SimpleNamespace(**{name: control.value for name, control in controls.items()})


def make_row(*widgets: ipywidgets.Widget, **layout: str) -> ipywidgets.Box:
    """Widgets in a row, and in more rows where it is narrow."""
    return ipywidgets.Box(list(widgets), layout={"flex_flow": "row wrap", "width": "100%", **layout})


def style_control(width: float = 23.2) -> dict[str, Any]:
    """A width in em, three times the default in a row of JupyterLab; labels are whole up to "background" or five Chinese characters."""
    label = say(en="6.5em", zh="5.3em")
    return {"style": {"description_width": label}, "layout": {"width": f"{width}em", "margin": "2px 0.5em 2px 0"}}


def make_dropdown(label: str, options: Mapping[str, Any], value: Any, width: float) -> ipywidgets.Dropdown:
    """A labelled list to choose from.

    Args:
        label: what stands before it.
        options: values by what they are called.
        value: the one that is chosen at first.
        width: of the whole, in em.
    """
    return ipywidgets.Dropdown(options=list(options.items()), value=value, description=label, **style_control(width))


def read_uploads(value: Any) -> tuple[str, bytes] | None:
    """The name and the bytes of the last file in a FileUpload: ipywidgets 7 keeps a dict by name, 8 a tuple of dicts."""
    if not value:
        return None
    if isinstance(value, Mapping):
        name, file = list(value.items())[-1]
    else:
        file = value[-1]
        name = file["name"]
    return name, bytes(file["content"])


# --- words --------------------------------------------------------------------------------------------------------------------


def format_count(number: int, what: str) -> str:
    """So many of something in English, "1 vector" or "2 vectors", for figures and captions."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def format_percent(share: float, decimals: int = 1) -> str:
    """0.25 as the learner's language writes it: "25.0 %" or "25.0%"."""
    return f"{100 * share:.{decimals}f}" + say(en=" %", zh="%")


def tabulate_accuracies(right: Mapping[str, Tensor]) -> Table:
    """How often each prompt was right. right: for each prompt (N,) booleans, or (S, N) of several, of which mean and range are told."""

    def format_hits(hits: Tensor) -> str:
        shares = hits.float().mean(-1)  # () or (S,)
        mean, least, most = (format_percent(share.item()) for share in (shares.mean(), shares.min(), shares.max()))
        return say(en=f"{mean} ({least} to {most})", zh=f"{mean}（{least} 到 {most}）") if shares.dim() else mean

    rows = [(name, format_hits(hits)) for name, hits in right.items()]
    header = (say(en="prompt", zh="提示词"), say(en="accuracy", zh="准确率"))
    return Table(rows, header, align="right")
