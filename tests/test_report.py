"""The page of detailed results: its numbers, forbidden contents, and its style."""

import dataclasses
import html.parser
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import toy

from lartpc_challenge.cycles import CYCLES, SemanticClass
from lartpc_challenge.disclosure import PUBLIC
from lartpc_challenge.format import METRICS
from lartpc_challenge.page.report import page
from lartpc_challenge.reference import read_labelled_events, read_reference
from lartpc_challenge.scoring import MIN_EVENTS_PER_BIN, score

N_EVENTS = 300
CLASSES = ["electron/positron", "other", "proton"]


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """Scores of a public phase of cycle 2, scale full, with a gap in the accuracies of events."""
    events = toy.make_events(N_EVENTS, cycle=2, n_voxels=(140, 400))
    path = tmp_path_factory.mktemp("report") / "r.h5"
    toy.make_reference(path, events, phase=3, scale="full")
    rates = np.random.default_rng(8).beta(1.2, 6, N_EVENTS)
    rates[[4, 6, 8, 10]] = 0.95
    return score(read_reference(path), toy.degrade(events, rates, n_labels=4))


@pytest.fixture(scope="module")
def tree(case):
    return ET.fromstring(page(case))


def of_nine_classes(case):
    """The same scores in a cycle of nine classes, some with long names."""
    names = ["muon", "charged pion", "photon shower", "Röntgen", "electromagnetic cascade"]
    names += ["other", "proton", "highly ionising nuclear fragments", "x"]
    classes = (SemanticClass(name, "", (9, 99, 99), (99, 200, 200)) for name in names)
    details = dataclasses.replace(
        case.details,
        confusion=tuple(tuple(float(i == j) for j in range(10)) for i in range(1, 10)),
        **{name: (0.1,) * 9 for name in ("class_share", "recall", "precision", "iou")},
    )
    cycle = dataclasses.replace(CYCLES[2], classes=tuple(classes))
    return dataclasses.replace(case, cycle=cycle, details=details)


@pytest.fixture(scope="module")
def pages(tmp_path_factory, case):
    """Return name -> page for all kinds of pages."""
    folder = tmp_path_factory.mktemp("pages")
    few = toy.make_events(12, cycle=1)
    many = toy.make_events(60, cycle=3, n_voxels=(3, 12))
    toy.make_events_file(folder / "few.h5", few, kind="train", cycle=1, scale="full")
    toy.make_events_file(folder / "sixty.h5", many, kind="train", cycle=3)
    toy.make_reference(folder / "public.h5", many, phase=5)
    toy.make_reference(folder / "hidden.h5", many, phase=6)
    public, truth = read_reference(folder / "public.h5"), toy.labels(many)
    few_right = toy.degrade(few, [0.1] * 12, n_labels=3)
    return {
        "typical": page(case),
        "all right": page(score(public, truth)),
        "all wrong": page(score(public, np.zeros_like(truth))),
        "one class": page(score(public, np.full_like(truth, 2))),
        "own hold-out": page(score(read_labelled_events(folder / "few.h5"), few_right)),
        "own sixty": page(
            score(
                read_labelled_events(folder / "sixty.h5"), toy.degrade(many, [0.1] * 60, n_labels=4)
            )
        ),
        "hidden": page(score(read_reference(folder / "hidden.h5"), truth)),
        "nine classes": page(of_nine_classes(case)),
    }


def text_of(element) -> str:
    return "".join(element.itertext())


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def table_of(tree, name: str) -> list[list[str]]:
    (table,) = tree.iterfind(f".//table[@class='{name}']")
    return [[text_of(cell) for cell in row] for row in table.iter("tr")]


def figure_of(tree, caption: str):
    (figure,) = (f for f in tree.iter("figure") if text_of(f.find("figcaption")) == caption)
    return figure


def axis_of(figure, anchor: str, unit: float):
    """Return a function from pixels to values, by the ticks: anchor `end` is y, `middle` x."""
    coordinate = "y" if anchor == "end" else "x"
    ticks = []
    for text in figure.iter("text"):
        number = re.fullmatch(r"([\d.]+)( %)?", text.text)
        if number and text.get("text-anchor") == anchor and not text.get("class"):
            ticks.append((float(text.get(coordinate)), float(number[1]) * unit))
    (first, low), (last, high) = ticks[0], ticks[-1]
    shift = 4 if anchor == "end" else 0  # a label's baseline lies below its line
    return lambda pixel: low + (pixel + shift - first) / (last - first) * (high - low)


def test_cards_say_score_interval_and_distance_to_the_trivial(case, tree):
    cards = [card for card in tree.iter("section") if "score" in card.get("class")]
    assert [card.find("h2").text for card in cards] == list(METRICS)
    for card in cards:
        name = card.find("h2").text
        value, (low, high) = case.leaderboard[name], case.details.intervals[name]
        assert [p.text for p in card.findall("p")[:2]] == [
            f"{value:.4f}",
            f"95 % interval {low:.3f} to {high:.3f}",
        ]
        rows = [[text_of(cell) for cell in row] for row in card.iter("tr")]
        for (baseline, shown, distance), (key, scores) in zip(rows, case.details.trivial.items()):
            assert (baseline, shown) == (key, f"{scores[name]:.4f}")
            number = float(distance.replace("\N{MINUS SIGN}", "-").removesuffix(" points"))
            assert number == pytest.approx(100 * (value - scores[name]), abs=0.0051)
        assert len(rows) == 2


def test_marks_of_the_cards_stand_where_the_numbers_are(case, tree):
    for card in (card for card in tree.iter("section") if "score" in card.get("class")):
        name = card.find("h2").text
        start, end = (float(t.text) for t in card.iter("text"))
        rail = re.fullmatch(r"M([\d.]+),10H([\d.]+)", card.find(".//*[@class='rail']").get("d"))
        left, right = map(float, rail.groups())

        def value(pixel, start=start, end=end, left=left, right=right):
            return start + (float(pixel) - left) / (right - left) * (end - start)

        mark = card.find(".//*[@class='score-mark']").get("d")
        assert value(re.match(r"M([\d.]+)", mark)[1]) == pytest.approx(
            case.leaderboard[name], abs=2e-4
        )
        interval = re.fullmatch(
            r"M([\d.]+),10H([\d.]+)", card.find(".//*[@class='interval']").get("d")
        )
        assert [value(p) for p in interval.groups()] == pytest.approx(
            case.details.intervals[name], abs=2e-4
        )
        for tick, scores in zip(
            card.findall(".//*[@class='trivial']"), case.details.trivial.values()
        ):
            assert value(re.match(r"M([\d.]+)", tick.get("d"))[1]) == pytest.approx(
                scores[name], abs=2e-4
            )


@pytest.fixture(scope="module")
def flat(case):
    """Scores with 4 % of the events in every other bin."""
    shares = [0.04 * (i % 2) for i in range(50)]
    details = dataclasses.replace(
        case.details, histogram=tuple(shares), cumulative=tuple(np.cumsum(shares))
    )
    return dataclasses.replace(case, details=details)


@pytest.mark.parametrize("name", ["case", "flat"])
def test_histogram(request, name):
    case = request.getfixturevalue(name)
    tree = ET.fromstring(page(case))
    figure = figure_of(tree, "Share of events per 0.02 of accuracy")
    x, y = axis_of(figure, "middle", 1), axis_of(figure, "end", 0.01)
    bars = figure.findall(".//rect[@class='bar']")
    filled = [(i, share) for i, share in enumerate(case.details.histogram) if share]
    assert len(bars) == len(filled) > 10
    for bar, (i, share) in zip(bars, filled):
        low, high = i / 50, (i + 1) / 50
        assert text_of(bar) == f"{low:.2f} to {high:.2f}: {percent(share)}% of events"
        left, width = float(bar.get("x")), float(bar.get("width"))
        assert x(left) == pytest.approx(low, abs=3e-3)  # half a pixel is left free at each side
        assert x(left + width) == pytest.approx(high, abs=3e-3)
        top, height = float(bar.get("y")), float(bar.get("height"))
        assert y(top) == pytest.approx(share, abs=1e-3)
        assert y(top + height) == pytest.approx(0, abs=1e-3)


def test_cumulative_distribution(case, tree):
    figure = figure_of(tree, "Share of events up to an accuracy")
    x, y = axis_of(figure, "middle", 1), axis_of(figure, "end", 0.01)
    below = 0
    for block in figure.findall(".//rect[@class='block']"):
        edge, share = re.fullmatch(r"up to ([\d.]+): ([\d.]+)% of events", text_of(block)).groups()
        expected = case.details.cumulative[round(float(edge) * 50) - 1]
        assert share == percent(expected)
        top = float(block.get("y"))
        assert y(top) == pytest.approx(expected, abs=1e-3)
        assert y(top + float(block.get("height"))) == pytest.approx(below, abs=1e-3)
        below = expected
        assert x(float(block.get("x")) + float(block.get("width"))) == pytest.approx(
            float(edge), abs=1e-3
        )
    details, board = case.details, case.leaderboard
    assert [text.text for text in figure.findall(".//text[@class='value']")] == [
        f"5 % up to {details.quantiles[5]:.3f}",
        f"20 % up to {details.quantiles[20]:.3f}",
        f"50 % up to {board['acc_at_50']:.4f}",
        f"80 % up to {board['acc_at_80']:.4f}",
    ]
    dots = [(x(float(c.get("cx"))), y(float(c.get("cy")))) for c in figure.iter("circle")]
    for dot, expected in zip(
        dots,
        [
            (details.quantiles[5], 0.05),
            (details.quantiles[20], 0.2),
            (board["acc_at_50"], 0.5),
            (board["acc_at_80"], 0.8),
        ],
    ):
        assert dot == pytest.approx(expected, abs=1e-3)


def test_confusion_matrix(case, tree):
    head, *rows = table_of(tree, "confusion")
    assert head[1:] == ["empty", *CLASSES]
    for row, name, shares in zip(rows, CLASSES, case.details.confusion):
        assert row == [name, *map(percent, shares)]
    assert len(rows) == 3
    # What is right has the colour of its class.
    (table,) = tree.iterfind(".//table[@class='confusion']")
    kinds = [[cell.get("class") for cell in row.iter("td")] for row in table.iter("tr")][1:]
    for label, row in enumerate(kinds, 1):
        assert row == [f"right c{label}" if column == label else "wrong" for column in range(4)]


def test_class_table(case, tree):
    head, *rows = table_of(tree, "classes")
    assert head == ["class", "of all voxels", "recall", "precision", "IoU"]
    columns = [case.details.class_share, case.details.recall]
    columns += [case.details.precision, case.details.iou]
    assert rows == [[name, *map(percent, values)] for name, *values in zip(CLASSES, *columns)]
    means = tree.find(".//p[@class='means']")
    details = case.details
    expected = f"F1 {percent(details.macro_f1)}, IoU {percent(details.mean_iou)}"
    assert text_of(means) == f"Means over the classes: {expected}"
    meters = [m.get("style") for m in tree.findall(".//table[@class='classes']//span/span")]
    assert meters == [f"width:{cell}%" for row in rows for cell in row[1:]]


@pytest.mark.parametrize(
    ("caption", "field"),
    [
        ("Accuracy against total energy of the event / MeV", "by_energy"),
        ("Accuracy against voxels in the event", "by_voxels"),
    ],
)
def test_profiles(case, tree, caption, field):
    figure, bins = figure_of(tree, caption), getattr(case.details, field)
    y = axis_of(figure, "end", 0.01)
    dots = figure.findall(".//circle")
    assert len(dots) == len(bins) >= 4
    for dot, one in zip(dots, bins):
        where = f"{one.low:,.0f} to {one.high:,.0f}"
        assert text_of(dot) == f"{where}: {percent(one.mean)}% ± {percent(one.error)}%"
        assert y(float(dot.get("cy"))) == pytest.approx(one.mean, abs=1e-3)
    edges = [t.text for t in figure.iter("text") if t.get("text-anchor") == "middle"][:-1]
    assert edges == [f"{edge:,.0f}" for edge in (bins[0].low, *(one.high for one in bins))]
    for path, one in zip(figure.findall(".//path[@class='error']"), bins):
        ends = re.fullmatch(r"M[\d.]+,([\d.]+)V([\d.]+)", path.get("d")).groups()
        expected = (one.mean - one.error, min(one.mean + one.error, 1))
        assert [y(float(end)) for end in ends] == pytest.approx(expected, abs=1e-3)


def test_header_counts_events(case):
    assert "150 events scored</p>" in page(case)
    skipped = dataclasses.replace(case.details, n_events=12_345, n_skipped=6)
    text = page(dataclasses.replace(case, details=skipped))
    assert "12,345 events scored, 6 without a labelled voxel skipped</p>" in text


def test_no_number_stands_on_the_page_that_the_tests_above_do_not_check(case):
    """All other numbers on a page are the constants listed here."""
    tree = ET.fromstring(page(case))
    checked = {"table", "svg", "style"}
    for parent in list(tree.iter()):
        for child in list(parent):
            if child.tag in checked or child.get("class") in {"big", "range", "means"}:
                parent.remove(child)
    numbers = re.findall(r"\d[\d.,]*\d|\d", " ".join(tree.itertext()))
    constants = ["80", "50", "0.02", "20", "0.1", "95", "1", "2,500", "7,500", "100", "2,500"]
    # Title; cycle, phase, events; metrics; bins and what must be in them; notes: rounding,
    # interval, F1, what a dash stands for.
    assert numbers == ["3", "2", "3", "150", *constants]


def test_coordinates_are_no_finer_than_a_tenth_of_a_pixel(pages):
    for text in pages.values():
        for svg in ET.fromstring(text).iter("svg"):
            for element in svg.iter():
                for name, value in element.items():
                    if name not in {"class", "role"}:
                        assert not re.search(r"\d\.\d\d", value), (element.tag, name, value)


def test_a_page_of_ones_own_events_speaks_of_nothing_that_is_not_there(pages):
    """It does not mention hidden labels, trivial baselines or limits on what is shown."""
    words = text_of(ET.fromstring(pages["own hold-out"]).find("body"))
    assert "Your own hold-out" in words
    for word in (
        "DEMONSTRATION",
        "hidden",
        "reveal the truth",
        "trivial",
        "Points",
        "dash",
        "\u2013",
    ):
        assert word not in words
    for word in ("Points", "A dash"):
        assert word in text_of(ET.fromstring(pages["typical"]).find("body"))


def test_demonstration_is_marked_and_only_it(case):
    assert "DEMONSTRATION" not in page(case)
    assert "<strong>DEMONSTRATION</strong>" in page(
        dataclasses.replace(case, scale="demonstration")
    )


@pytest.mark.parametrize("phase", [2, 4, 6])
def test_a_hidden_page_is_the_same_for_everybody(tmp_path, phase):
    cycle = (phase + 1) // 2
    one, other = (toy.make_events(40, cycle=cycle, seed=seed) for seed in (1, 2))
    toy.make_reference(tmp_path / "one.h5", one, phase=phase)
    toy.make_reference(tmp_path / "other.h5", other, phase=phase, scored=range(3), trivial={})
    first = page(score(read_reference(tmp_path / "one.h5"), toy.labels(one)))
    second = page(score(read_reference(tmp_path / "other.h5"), 0 * toy.labels(other)))
    assert first == second
    assert f"<h1>Phase {phase}: hidden events</h1>" in first
    assert "This phase is hidden" in first
    assert set(re.findall(r"\d+", text_of(ET.fromstring(first).find("body")))) == {
        str(cycle),
        str(phase),
    }


def test_pages_are_self_contained(pages):
    for text in pages.values():
        tree = ET.fromstring(text)  # well-formed, every element closed
        tags = {element.tag for element in tree.iter()}
        assert not tags & {"script", "link", "img", "iframe", "object", "embed", "use", "a"}
        for element in tree.iter():
            for name in element.attrib:
                assert not name.startswith("on")
                assert name not in {"src", "href", "action", "data"}
        assert not re.search(r"https?:|//|url\(|@import|javascript:", text)
        assert text.isprintable() or set(filter(lambda c: not c.isprintable(), text)) == {"\n"}


def test_pages_are_html_to_a_browsers_parser(pages):
    class Reader(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.tags = []

        def handle_starttag(self, tag, attributes):
            self.tags.append(tag)

        def handle_startendtag(self, tag, attributes):
            # Only void elements and SVG's may close themselves in HTML.
            assert tag in {"meta", "wbr", "path", "circle", "rect", "polyline"}

    for text in pages.values():
        assert text.startswith("<!DOCTYPE html>\n<html lang=")
        reader = Reader()
        reader.feed(text)
        assert reader.tags[:2] == ["html", "head"]


def test_names_in_the_reference_come_out_escaped(case):
    trivial = {'<b onclick="x">&': dict.fromkeys(METRICS, 0.5)}
    text = page(
        dataclasses.replace(case, details=dataclasses.replace(case.details, trivial=trivial))
    )
    assert "<b " not in text
    assert text_of(ET.fromstring(text)).count('<b onclick="x">&') == 6  # a row and a tick a card


def test_readers_of_screens_get_names(pages):
    for text in pages.values():
        tree = ET.fromstring(text)
        assert tree.get("lang") == "en"
        for svg in tree.iter("svg"):
            assert svg.get("role") == "img"
            assert svg[0].tag == "title"
            assert svg[0].text
        for header in tree.iter("th"):
            assert header.get("scope") in {"row", "col"}


def test_what_the_page_says_in_words_holds(case):
    notes = text_of(ET.fromstring(page(case)).find(".//footer"))
    bound = (PUBLIC.voxels, PUBLIC.predicted, PUBLIC.voxels_per_event, PUBLIC.voxels)
    assert bound == (2500, 7500, 100, 2500)
    assert f"in bins of at least {MIN_EVENTS_PER_BIN} events" in page(case)
    assert "estimated from the distribution of accuracies" in notes


def test_classes_are_named_as_everywhere(tree):
    assert list(CYCLES[2].class_names) == CLASSES


@pytest.mark.parametrize("is_dark", [False, True])
def test_text_has_contrast(pages, is_dark):
    """WCAG 2.1, 1.4.3: 4.5 to 1 for text; 1.4.11: 3 to 1 for marks."""
    light, dark = re.findall(r":root \{([^}]*)\}", pages["typical"])
    colours = dict(re.findall(r"--([\w-]+): ([^;]+);", light))
    if is_dark:
        colours.update(re.findall(r"--([\w-]+): ([^;]+);", dark))
    for ink in ("ink", "soft"):
        for ground in ("page", "card"):
            assert _contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    assert _contrast(colours["alert"], colours["alert-page"]) >= 4.5
    classes = dict(
        re.findall(r"\.(c\d) \{ --class: ([\d ]+); \}", pages["typical"])[4 * is_dark :][:4]
    )
    assert list(classes) == ["c0", "c1", "c2", "c3"]
    for mark in (colours["mark"], *classes.values()):
        assert _contrast(mark, colours["card"]) >= 3, mark


def _contrast(one: str, other: str) -> float:
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    if colour.startswith("#"):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        channels = [int(digits[i : i + 2], 16) for i in (0, 2, 4)]
    else:
        channels = [int(channel) for channel in colour.split()]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in np.array(channels) / 255
    ]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


# Reports texts of one drawing or table that overlap, and what is wider than its box.
LAYOUT = """<script>
const found = [];
const boxes = (root, what) =>
  [...root.querySelectorAll(what)].map(e => [e, e.getBoundingClientRect()]);
const meet = (p, q) => p.left < q.right - 1 && q.left < p.right - 1
  && p.top < q.bottom - 1 && q.top < p.bottom - 1;
for (const root of document.querySelectorAll('svg, table')) {
  const texts = boxes(root, 'text, td, th');
  texts.forEach(([a, p], i) => texts.slice(i + 1).forEach(([b, q]) => {
    if (meet(p, q)) found.push(a.textContent + ' overlaps ' + b.textContent); }));
  const outer = root.getBoundingClientRect();
  for (const [a, p] of texts)
    if (p.left < outer.left - 1 || p.right > outer.right + 1 || p.bottom > outer.bottom + 1)
      found.push(a.textContent + ' is cut off'); }
for (const [e] of boxes(document, '*'))
  if (e.scrollWidth > e.clientWidth + 1 && e.clientWidth && !e.closest('svg'))
    found.push(e.tagName + ' ' + e.className + ' is too narrow');
document.body.textContent = 'LAYOUT' + JSON.stringify(found) + 'END';
</script>"""


# Each page in a frame of its width. The browser prints what they report.
FRAMES = """<!DOCTYPE html><body><script>
onload = () => { document.body.textContent = [...document.querySelectorAll('iframe')]
  .map(frame => frame.contentDocument.body.textContent).join(''); };
</script></body>"""
SHOWN = [
    ("typical", 1200),
    ("typical", 980),
    ("typical", 700),
    ("typical", 390),
    ("all right", 390),
    ("own sixty", 390),
    ("all right", 1200),
    ("all wrong", 1200),
    ("own hold-out", 1200),
    ("own sixty", 1200),
    ("nine classes", 1200),
    ("nine classes", 880),
]


@pytest.fixture(scope="module")
def layouts(pages, tmp_path_factory) -> dict:
    """Return (name, width) -> what LAYOUT reports in a browser, which starts once for all."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no Chromium to lay the page out")
    folder = tmp_path_factory.mktemp("browser")
    frames = ""
    for name, width in SHOWN:
        text = html.escape(pages[name].replace("</body>", LAYOUT + "</body>"))
        frames += f'<iframe width="{width}" height="900" frameborder="0" srcdoc="{text}"></iframe>'
    path = folder / "page.html"
    path.write_text(FRAMES.replace("<script>", frames + "<script>"), encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={folder / 'profile'}", "--window-size=1300,900", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.findall(r"LAYOUT(\[.*?\])END", done.stdout)
    return dict(zip(SHOWN, (json.loads(html.unescape(one)) for one in found), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "width"), SHOWN)
def test_nothing_overlaps_in_a_browser(layouts, name, width):
    assert layouts[name, width] == []
