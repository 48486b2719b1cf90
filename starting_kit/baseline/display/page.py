"""Write events as interactive 3D figures on an HTML page that needs no internet.

A browser can keep about 16 drawings in 3D. So the page draws an event when it becomes visible, and
removes the drawing (but keeps the chosen view) when it is far away.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from plotly.offline import get_plotlyjs

from baseline.display.figure import figure
from baseline.display.views import Shown
from lartpc_challenge.page.html_parts import document

_STYLE = """
:root { color-scheme: light dark; --page: #f5f6f8; --card: #fff; --line: #e2e6eb; --ink: #1b2330;
  --soft: #596474; }
@media (prefers-color-scheme: dark) { :root { --page: #0f1319; --card: #181e27; --line: #2a323e;
  --ink: #e8ecf2; --soft: #9ba6b5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; }
main { max-width: 1440px; margin: 0 auto; padding: 24px 28px 40px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
p { color: var(--soft); margin: 4px 0 18px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 12px 16px; margin-bottom: 18px; display: flex; flex-wrap: wrap; gap: 12px 20px; }
.panel { flex: 1 1 max(340px, 40%); min-width: 0; }
h2 { font-size: 15px; line-height: 1.4; margin: 0 0 6px; }
section > h2 { flex: 0 0 100%; margin: 0; }
.views { display: inline-flex; flex-wrap: wrap; border: 1px solid var(--line); border-radius: 8px;
  overflow: hidden; }
button { font: inherit; font-size: 14px; color: var(--soft); background: none; border: 0;
  padding: 4px 12px; cursor: pointer; }
button:hover { color: var(--ink); }
.views button + button { border-left: 1px solid var(--line); }
.views [aria-pressed="true"] { background: var(--ink); color: var(--card); font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: 0 14px; min-height: 26px; }
.legend button { color: var(--ink); font-size: 13px; padding: 2px 0; text-align: left; }
.legend button::before { content: ""; display: inline-block; width: 10px; height: 10px;
  margin-right: 6px; border-radius: 3px; background: var(--colour); }
.legend [aria-pressed="false"] { opacity: .4; text-decoration: line-through; }
.plot { width: 100%; aspect-ratio: 10 / 9; min-height: 0; max-height: 520px; position: relative; }
.plot:empty::after { content: "Click to draw"; position: absolute; inset: 0; display: grid;
  place-items: center; color: var(--soft); cursor: pointer; }
@media (max-width: 700px) { main { padding: 16px 10px; } section { padding: 10px; }
  .views button { padding: 4px 6px; font-size: 13px; } }
"""

# MOST: events drawn at a time, two drawings each.
_SCRIPT = """
const MOST = 7;
const night = matchMedia("(prefers-color-scheme: dark)");
const config = {displaylogo: false, responsive: true};

// A copy of a trace or layout in the colours of the theme.
const painted = part => {
  const copy = structuredClone(part);
  for (const [path, colours] of Object.entries(part.meta.theme)) {
    const keys = path.split("."), last = keys.pop();
    keys.reduce((inner, key) => inner[key] ??= {}, copy)[last] =
      colours[night.matches ? "dark" : "light"];
  }
  return copy;
};

const drawn = [];  // the events that are drawn, the longest first

const events = [...document.querySelectorAll("section")].map(section => {
  const event = {section, drawn: false};
  const drawings = [...section.querySelectorAll("script")].map(one => JSON.parse(one.textContent));
  event.panels = [...section.querySelectorAll(".panel")].map((element, number) => {
    const panel = {event, ...drawings[Math.min(number, drawings.length - 1)],
      plot: element.querySelector(".plot"), legend: element.querySelector(".legend"),
      buttons: [...element.querySelectorAll("button")], hidden: new Set()};
    panel.view = panel.buttons.find(one => one.ariaPressed === "true").value;
    for (const button of panel.buttons)
      button.addEventListener("click", () => choose(panel, button.value));
    panel.plot.addEventListener("click", () => draw(event));
    return panel;
  });
  return event;
});

const group = trace => trace.legendgroup ?? trace.name;

const drawPanel = panel => {
  const seen = trace => !trace.meta.view || trace.meta.view === panel.view;
  const data = panel.data.map(trace => ({...painted(trace),
    visible: seen(trace) && !panel.hidden.has(group(trace))}));
  const layout = {...painted(panel.layout), showlegend: false};
  if (panel.camera) layout.scene.camera = panel.camera;
  const names = data.filter(trace => seen(trace) && trace.name && trace.showlegend !== false);
  panel.legend.replaceChildren(...names.map(trace => {
    const button = document.createElement("button");
    button.textContent = trace.name;
    button.style.setProperty("--colour", trace.marker.color);
    button.ariaPressed = String(!panel.hidden.has(group(trace)));
    button.addEventListener("click", () => {
      if (!panel.hidden.delete(group(trace))) panel.hidden.add(group(trace));
      drawPanel(panel);
    });
    return button;
  }));
  return Plotly.react(panel.plot, data, layout, config);
};

const choose = (panel, view) => {
  panel.view = view;
  panel.hidden.clear();
  for (const button of panel.buttons) button.ariaPressed = String(button.value === view);
  if (panel.event.drawn) drawPanel(panel); else draw(panel.event);
};

// Both sides turn together.
let busy = false;
const turn = (panel, change) => {
  const camera = change["scene.camera"];
  if (busy || !camera) return;
  busy = true;
  for (const one of panel.event.panels) one.camera = camera;
  Promise.all(panel.event.panels.filter(one => one !== panel)
    .map(one => Plotly.relayout(one.plot, {"scene.camera": camera})))
    .then(() => { busy = false; });
};

const draw = event => {
  if (event.drawn) return;
  event.drawn = true;
  drawn.push(event);
  while (drawn.length > MOST) forget(drawn[0]);
  for (const panel of event.panels) drawPanel(panel).then(() => {
    panel.plot.on("plotly_relayouting", change => turn(panel, change));
    panel.plot.on("plotly_relayout", change => turn(panel, change));
  });
};

const forget = event => {
  if (!event.drawn) return;
  event.drawn = false;
  drawn.splice(drawn.indexOf(event), 1);
  for (const {plot} of event.panels) {
    const canvases = [...plot.querySelectorAll("canvas")];
    Plotly.purge(plot);
    plot.replaceChildren();
    for (const canvas of canvases)
      canvas.getContext("webgl")?.getExtension("WEBGL_lose_context")?.loseContext();
  }
};

const watch = new IntersectionObserver(entries => {
  for (const {target, isIntersecting} of entries) {
    const event = events.find(one => one.section === target);
    if (isIntersecting) draw(event); else forget(event);
  }
}, {rootMargin: "200px 0px"});
for (const {section} of events) watch.observe(section);
night.addEventListener("change", () => drawn.forEach(event => event.panels.forEach(drawPanel)));
"""


def page(title: str, events: Sequence[Sequence[tuple[Shown, str]]]) -> str:
    """Return an HTML page with the title `title` and a row for each entry of `events`.

    A row has one or two panels. A panel is an event, and the name of the view to show first.
    """
    sections = "".join(_section(panels) for panels in events)
    content = (
        f"<script>{get_plotlyjs()}</script>\n<h1>{escape(title)}</h1>"
        "<p>Drag to rotate, scroll to zoom: both sides follow. "
        f"Click on a name under the picture to hide it.</p>\n{sections}<script>{_SCRIPT}</script>"
    )
    return document(title, _STYLE, content)


def _section(panels: Sequence[tuple[Shown, str]]) -> str:
    """Return a row: one event in all panels, or one event per panel."""
    events = {shown.event.event_id: shown for shown, _ in panels}
    head, captions = "", True
    if len(events) == 1:
        head, captions = f"<h2>{escape(panels[0][0].caption)}</h2>", False
    drawings = (figure(shown).to_json() for shown in events.values())
    scripts = (
        # "</script>" in a text would end the script. Plotly has no types: text is taken for None.
        '<script type="application/json">'
        + text.replace("</", "<\\/")  # type: ignore[union-attr]
        + "</script>"
        for text in drawings
    )
    parts = (_panel(shown, chosen, caption=captions) for shown, chosen in panels)
    return f"<section>{head}{''.join(parts)}{''.join(scripts)}</section>\n"


def _panel(shown: Shown, chosen: str, *, caption: bool) -> str:
    buttons = "".join(
        f'<button value="{view}" aria-pressed="{str(view == chosen).lower()}">'
        f"{view.capitalize()}</button>"
        for view in shown.views
    )
    head = f"<h2>{escape(shown.caption)}</h2>" if caption else ""
    return (
        f'<div class="panel">{head}<div class="views">{buttons}</div>'
        '<div class="plot"></div><div class="legend"></div></div>'
    )
