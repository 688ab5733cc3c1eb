"""A page in the browser that asks a run about images."""

from __future__ import annotations

import html
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlhyper.ask.answers import Answer, Said, percent
from vlhyper.ask.asker import Asker
from vlhyper.ask.maps import Map, draw_map
from vlhyper.console import say
from vlhyper.errors import JobError, UserError
from vlhyper.run.tasks import AskedTask
from vlhyper.show.heat import gradient, overlay

if TYPE_CHECKING:
    import gradio

# Users that wait; more are told that the page is busy.
WAITING = 64
# Seconds between two looks at what may be deleted, and the age of what is.
SWEEP, AGE = 300, 3600


@contextmanager
def temporary() -> Iterator[Path]:
    """A folder for all that the page writes, gone at the end. Gradio reads its name when it is imported."""
    with tempfile.TemporaryDirectory(prefix="vlhyper-serve-") as folder:
        settings = {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
        before = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
        try:
            yield Path(folder)
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


class Page:
    """What the page does with what is typed."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker

    def ask(self, image: str | None, question: str, task: str) -> tuple[str, dict[str, Any] | None]:
        """The answer as HTML, and what was asked, for the map; or what is wrong in one line."""
        asked: dict[str, Any] = {"image": image, "question": question.strip(), "task": task}
        try:
            if image is None:
                raise UserError("there is no image yet; drop one first")
            answer = self.asker.ask(**asked)
        except (UserError, JobError) as error:
            # Where the page keeps a file means nothing to its user.
            return wrong(str(error).replace(str(image), Path(str(image)).name)), None
        return told(answer), {**asked, "answer": answer.answer}

    def map(self, asked: dict[str, Any] | None) -> tuple[Any, str]:
        """The picture with the map over it, and its legend; nothing where there was no answer."""
        import gradio as gr

        if asked is None:
            return gr.update(value=None, visible=False), ""
        found = draw_map(self.asker, **asked)
        picture = self.asker.images.picture(asked["image"])
        return gr.update(value=overlay(picture, found.cells), visible=True), legend(found)


def wrong(line: str) -> str:
    """What went wrong, as HTML."""
    return f'<p class="wrong" role="alert">{html.escape(line)}</p>'


def told(answer: Answer) -> str:
    """An answer as HTML, every text with a bar of its probability."""
    rows = [_bar(answer, "first"), *(_bar(other) for other in answer.others)]
    if answer.without_image is not None:
        same = answer.without_image.answer == answer.answer
        note = "the same without the image: it may not have mattered" if same else "without the image"
        rows += [f'<p class="note">{note}</p>', _bar(answer.without_image, "without")]
    return f'<div class="answer">{"".join(rows)}</div>'


def _bar(said: Said | Answer, kind: str = "other") -> str:
    share = html.escape(percent(said.probability))
    width = f"{100 * said.probability:.2f}%"
    text = html.escape(said.answer) or "<i>nothing</i>"
    return (
        f'<div class="said {kind}"><span class="text">{text}</span><span class="share">{share}</span>'
        f'<span class="bar"><span style="width: {width}"></span></span></div>'
    )


def legend(found: Map) -> str:
    """The scale of a map and its check, as HTML."""
    most = max(float(found.cells.max()), 0.0)
    scale = f'<span class="scale" style="background: linear-gradient(90deg, {gradient()})"></span>'
    note = f"What the answer depended on: how much ln P(answer) falls where a place is blanked. {found.told}"
    bar = f'<div class="legend"><span>0</span>{scale}<span>{most:.2g}</span></div>'
    return f'{bar}<p class="note">{html.escape(note)}</p>'


CSS = """
.answer .said { display: grid; grid-template-columns: 1fr auto; gap: 0 1rem; margin: 0.35rem 0; }
.answer .said .text { overflow-wrap: anywhere; }
.answer .said .bar { grid-column: 1 / 3; height: 5px; border-radius: 3px; background: var(--border-color-primary); }
.answer .said .bar span { display: block; height: 5px; border-radius: 3px; background: var(--color-accent); }
.answer .first .text { font-size: 1.5rem; font-weight: 600; }
.answer .first .share { font-size: 1.5rem; }
.answer .without .bar span { background: var(--body-text-color); opacity: 0.6; }
.note { opacity: 0.8; margin: 0.8rem 0 0.2rem; font-size: 0.9rem; }
.wrong { border-left: 4px solid #d92d20; padding: 0.4rem 0.8rem; overflow-wrap: anywhere; }
.legend { display: flex; align-items: center; gap: 0.5rem; font-size: 0.9rem; }
.legend .scale { flex: 1; height: 12px; border-radius: 3px; }
"""


def build(page: Page, tasks: Sequence[AskedTask], title: str) -> gradio.Blocks:
    """The page itself, one for all of its users."""
    import gradio as gr

    asking = [task.name for task in tasks if task.kind.columns]
    writing = [task.name for task in tasks if not task.kind.columns]
    # The model answers one at a time, whoever asks.
    one: Any = {"concurrency_limit": 1, "concurrency_id": "model", "api_visibility": "private"}
    with gr.Blocks(title=title, analytics_enabled=False, delete_cache=(SWEEP, AGE)) as blocks:
        gr.Markdown(f"## {title}")
        asked = gr.State(None)
        with gr.Row():
            with gr.Column():
                image: Any = gr.Image(
                    type="filepath", label="Image", sources=["upload", "clipboard"], height=320, buttons=[]
                )
                # Gradio would open the file; the page itself tells, in one line, what is wrong with one.
                image.preprocess = lambda payload: payload and payload.path
                question = gr.Textbox(
                    label="Question", placeholder="What is in the picture?", max_length=1000, visible=bool(asking)
                )
                task = gr.Dropdown(asking, value=next(iter(asking), None), label="Task", visible=len(asking) > 1)
                with gr.Row():
                    ask = gr.Button("Ask", variant="primary", visible=bool(asking))
                    caption = gr.Button("Caption", visible=bool(writing))
            with gr.Column():
                answer = gr.HTML("", label="Answer")
                heat = gr.Image(
                    alt_text="Map of what the answer depended on",
                    show_label=False,
                    interactive=False,
                    buttons=[],
                    format="png",
                    visible=False,
                )
                note = gr.HTML("")
        for starts, given in (
            ([ask.click, question.submit], [image, question, task]),
            ([caption.click], [image, gr.State(""), gr.State(writing[0] if writing else "")]),
        ):
            # The last map goes with its answer; the new one takes longer than the new answer.
            cleared = gr.on(starts, lambda: ("", gr.update(visible=False), ""), None, [answer, heat, note], queue=False)
            cleared.then(page.ask, given, [answer, asked], **one).then(page.map, asked, [heat, note], **one)
    return blocks


def serve(asker: Asker, tasks: Sequence[AskedTask], port: int | None, most_bytes: int) -> None:
    """Serve the page on loopback until Ctrl-C."""
    page = Page(asker)
    # The first user must not wait for the encoder.
    _ = asker.images.encoder
    with temporary():
        blocks = build(page, tasks, f"Ask {asker.folder.absolute().name}")
        with running(blocks, port, most_bytes) as address:
            say(f"{address} — stop with Ctrl-C")
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                say("stopped")


@contextmanager
def running(blocks: gradio.Blocks, port: int | None, most_bytes: int) -> Iterator[str]:
    """The page at an address of this machine alone. Raises UserError where the port is taken."""
    import gradio as gr

    blocks.queue(max_size=WAITING)
    fonts: Any = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    try:
        _, address, _ = blocks.launch(
            server_name="127.0.0.1",
            server_port=port,
            share=False,
            quiet=True,
            inbrowser=False,
            prevent_thread_lock=True,
            max_file_size=most_bytes,
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            enable_monitoring=False,
            theme=gr.themes.Default(**fonts),
            css=CSS,
        )
    except OSError as error:
        raise UserError(f"--port {port}: {' '.join(str(error).split())}; give another port") from None
    try:
        yield address
    finally:
        blocks.close(verbose=False)
