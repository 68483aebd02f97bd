"""The page: everything inside it, and its controls work in a browser."""

import html.parser
import json
import re
import shutil
import subprocess

import pytest

from evaluation.page import gallery, parts

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
CODECS = ["original", "DeepSIC pre", "DeepSIC post", "JPEG 4:2:0", "JPEG 2000"]
# Presses every control and leaves what it saw in the page.
DRIVER = """
<script>
const seen = { errors: [], drawn: [] };
window.addEventListener("error", (e) => seen.errors.push(String(e.message)));
window.addEventListener("unhandledrejection", (e) => seen.errors.push(String(e.reason)));
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const ready = async (what) => { while (document.body.dataset.ready !== what) await sleep(20); };
const look = (id) => document.getElementById(id).toDataURL();
(async () => {
  while (!document.body.dataset.ready) await sleep(20);
  const rates = document.querySelectorAll("#rates button");
  await ready(`0 ${rates.length - 1}`);
  seen.rates = rates.length;
  seen.sides = ["left", "right"].map((id) => document.getElementById(id).value);
  for (let p = 0; p < 2; p++) for (let r = 0; r < rates.length; r++) {
    document.querySelectorAll("#pictures button")[p].click();
    rates[r].click();
    await ready(`${p} ${r}`);
    seen.drawn.push([...document.querySelectorAll("#cards h3")].map((h) => h.textContent));
  }
  document.getElementById("right").value = "JPEG 4:2:0";
  document.getElementById("right").dispatchEvent(new Event("change"));
  await sleep(300);
  seen.tag = document.getElementById("tag-right").textContent;
  const before = look("over");
  document.getElementById("error").click();
  await sleep(500);
  seen.errorMap = look("over") !== before;
  document.getElementById("error").click();
  await sleep(500);
  const position = document.getElementById("position");
  position.value = "25";
  position.dispatchEvent(new Event("input"));
  seen.clip = document.getElementById("over").style.clipPath;
  document.querySelectorAll("#modes button")[1].click();
  const first = document.getElementById("over").style.visibility;
  await sleep(700);
  seen.flicker = first !== document.getElementById("over").style.visibility;
  document.querySelectorAll("#modes button")[0].click();
  const frame = () => document.querySelector(".frame").style.cssText;
  const old = frame();
  document.querySelectorAll("#zooms button")[2].click();
  seen.zoom = frame() !== old;
  seen.width = innerWidth;
  seen.wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
  const out = document.createElement("pre");
  out.id = "seen";
  out.textContent = JSON.stringify(seen);
  document.body.append(out);
})();
</script>
"""


class Sources(html.parser.HTMLParser):
    """Everything that a page would fetch."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "src" or (name == "href" and tag == "link"):
                self.found.append(value)


def test_nothing_is_fetched(results):
    text = (results / "report.html").read_text()
    sources = Sources(text).found
    assert len(sources) > 8
    assert all(s.startswith("data:") for s in sources)
    assert "@import" not in text
    assert not re.search(r"url\(\s*['\"]?(?!data:)", text)


def test_the_gallery_has_every_codec_or_says_why_not(results):
    text = (results / "report.html").read_text()
    data = json.loads(re.search(r'id="gallery-data">(.*?)</script>', text, re.S)[1])
    assert [p["name"] for p in data["pictures"]] == ["a", "b"]
    for picture in data["pictures"]:
        for rate in picture["rates"]:
            codecs = [t["codec"] for t in rate["tiles"]]
            assert codecs[:5] == CODECS
            assert set(codecs[5:]) <= {"WebP", "AVIF"}
            for tile in rate["tiles"]:
                assert "missing" in tile or tile["image"] in data["images"]


def test_names_are_escaped():
    assert "&lt;b&gt;" in parts.table(["a"], [["<b>"]])


def test_sections_of_other_runs_stay(tmp_path):
    weights = {"pre": "01234567"}
    parts.write(tmp_path, {"semantics": "<section>semantics here</section>"}, weights)
    page = parts.write(tmp_path, {"look": "<section>pictures here</section>"}, weights).read_text()
    assert page.index("pictures here") < page.index("semantics here")
    assert 'href="#semantics"' in page
    assert "other weights" not in page


def test_sections_of_other_weights_say_so(tmp_path):
    parts.write(tmp_path, {"semantics": "<i>old</i>"}, {"pre": "01234567", "post": "89abcdef"})
    page = parts.write(tmp_path, {"look": "<i>new</i>"}, {"pre": "76543210"}).read_text()
    assert page.index("new") < page.index("other weights of pre:") < page.index("old")


def model(bpp, arch="pre"):
    return {"curve": f"DeepSIC {arch}", "codec": f"{arch}-{bpp}", "bpp": bpp}


def test_rates_are_those_that_models_are_near_to():
    assert gallery.choose_rates([model(0.11), model(0.45), model(1.0)]) == (0.1, 0.5)
    assert gallery.choose_rates([model(0.97), model(1.03, "post")]) == (0.97, 1.0)
    assert gallery.choose_rates([]) == gallery.RATES


def test_the_nearest_model_is_shown_and_said_to_be_far(pre, post, pictures, tmp_path):
    from evaluation.cache import Cache
    from evaluation.measure import Subject
    from evaluation.rate_distortion import open_pictures

    found = open_pictures(pictures, print)
    subjects = [Subject.of_model(f, n, "DeepSIC") for n, f in (("small", pre), ("large", post))]
    # As if they took other rates for one picture than for the next.
    rates = {("a.png", "small"): 0.2, ("a.png", "large"): 0.5, ("b.png", "large"): 0.6}
    rows = [{"image": i, "curve": "DeepSIC", "codec": c, "bpp": b} for (i, c), b in rates.items()]
    shown = gallery.make(found, subjects, rows, Cache(tmp_path), 1)
    assert [r["bpp"] for r in shown[0]["rates"]] == [0.2, 0.5]
    tiles = [[r["tiles"][1] for r in picture["rates"]] for picture in shown]
    assert [[t["setting"] for t in row] for row in tiles] == [
        ["small", "large"],
        ["large", "large"],
    ]
    assert [["note" in t for t in row] for row in tiles] == [[False, False], [True, False]]


def test_pictures_are_chosen_by_name_or_evenly(results, pictures):
    from evaluation.rate_distortion import open_pictures

    found = open_pictures(pictures, print)
    assert gallery.choose(list(range(24)), []) == [4, 12, 20]
    assert gallery.choose(found, []) == found
    assert [p.name for p in gallery.choose(found, ["b"])] == ["b.png"]
    with pytest.raises(ValueError, match="nothing"):
        gallery.choose(found, ["nothing"])


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [1280, 500])
def test_the_controls_work_in_a_browser(results, tmp_path, width):
    page = tmp_path / "page.html"
    text = (results / "report.html").read_text()
    page.write_text(text.replace("<main>", DRIVER + "<main>"))
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--window-size={width},900",
            "--virtual-time-budget=60000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    # The browser's own pages may complain, of a missing network for instance.
    lines = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert [line for line in lines if "source: chrome://" not in line] == []
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout)
    assert found, done.stderr
    seen = json.loads(html.unescape(found[1]))
    assert seen["errors"] == []
    assert len(seen["drawn"]) == 2 * seen["rates"]
    # Ours come first.
    assert all(names[:3] == [*CODECS[1:3], "original"] for names in seen["drawn"])
    assert seen["sides"] == ["DeepSIC pre", "JPEG 4:2:0"]
    assert seen["tag"].startswith("JPEG 4:2:0, ")
    assert seen["clip"].endswith("25%)")
    assert seen["errorMap"]
    assert seen["flicker"]
    assert seen["zoom"]
    assert not seen["wide"]
    assert seen["width"] == width
