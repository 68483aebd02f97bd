"""The page in a real browser."""

import itertools
import re
import shutil

import pytest

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
expect.set_options(timeout=120_000)

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
DROP = """(body, photograph) => {
  const bytes = Uint8Array.from(atob(photograph), (c) => c.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
  for (const kind of ["dragenter", "dragover", "drop"])
    body.dispatchEvent(
      new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }),
    );
}"""
# Elements that somebody who does not see could not tell from others.
NAMELESS = """(body) => [...body.querySelectorAll("a, button, input, select, img, dialog, [role]")]
  .filter((e) => e.checkVisibility() && !(e.ariaLabel || e.textContent.trim() || e.alt
    || e.labels?.length || e.getAttribute("aria-labelledby")))
  .map((e) => e.outerHTML)"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        options = {"executable_path": BROWSER, "args": ["--no-sandbox", "--disable-gpu"]}
        made = started.chromium.launch(**options)
        yield made
        made.close()


@pytest.fixture(params=[1280, 390])
def page(browser, server, request):
    size = {"width": request.param, "height": 844}
    context = browser.new_context(viewport=size, has_touch=request.param < 500)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda r: r.url.startswith((server[0], "blob:")) or said.append(r.url))
    page.goto(server[0])
    expect(page.locator("#grid img").first).to_be_visible()
    yield page
    width, inside = page.locator("html").evaluate("e => [e.scrollWidth, e.clientWidth]")
    nameless = page.locator("body").evaluate(NAMELESS)
    context.close()
    assert said == []
    assert nameless == []
    assert width == inside


def grid_count(page):
    return page.locator("#grid li").count()


def test_search_suggests_what_is_there_and_the_back_button_goes_back(page):
    whole = grid_count(page)
    box = page.get_by_role("combobox", name="What the pictures show")
    name = page.locator("#grid span").first.inner_text().rsplit(" ", 1)[0]
    box.fill(name[:3])
    option = page.get_by_role("option").filter(has_text=name).first
    expect(option).to_be_visible()
    assert box.get_attribute("aria-expanded") == "true"
    count = int(option.locator(".count").inner_text())
    for _ in range(page.get_by_role("option").count()):
        box.press("ArrowDown")
        if option.get_attribute("aria-selected") == "true":
            break
    assert box.get_attribute("aria-activedescendant") == option.get_attribute("id")
    box.press("Enter")
    expect(page.locator("#status")).to_have_text(re.compile(rf"^{count} pictures? of {name}$"))
    assert grid_count(page) == count
    assert box.get_attribute("aria-expanded") == "false"
    page.go_back()
    expect(page.locator("#status")).to_have_text(f"{whole} pictures")
    box.fill("xyzzy")
    box.press("Enter")
    expect(page.locator("#status")).to_contain_text("Nothing here is called")


def test_facets_and_probability_narrow_down(page):
    whole = grid_count(page)
    kind = page.locator("#below a").first
    count = int(kind.locator(".count").inner_text())
    kind.click()
    expect(page.locator("#status")).to_contain_text(f"{count} picture")
    assert page.locator("#path a[aria-current]").count() == 1
    page.get_by_role("link", name="Everything").click()
    expect(page.locator("#status")).to_have_text(f"{whole} pictures")
    least = page.get_by_label("Probability at least")
    least.fill("100")
    expect(page.locator("#status")).to_have_text("0 pictures")
    assert "least=1" in page.url


def test_a_picture_opens_with_its_original_and_a_slider(page):
    first = page.locator("#grid a").first
    first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#grid a").nth(1).evaluate("e => e === document.activeElement")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    for text in ("bits per pixel", "pre-0.12bpp", "Probability", "Picture"):
        expect(dialog).to_contain_text(text)
    assert page.locator("#levels li").count() > 1
    slider = page.get_by_label(re.compile("Original"))
    expect(slider).to_be_visible()
    slider.fill("25")
    assert page.locator("#original").evaluate("e => e.style.clipPath") == "inset(0px 75% 0px 0px)"
    decoded = page.locator("#decoded")
    expect(decoded).to_have_attribute("src", re.compile(r"/picture/\d+\.png"))
    assert decoded.evaluate("e => e.naturalWidth") == page.locator("#original").evaluate(
        "e => e.naturalWidth"
    )
    title = page.locator("#viewer-title").inner_text()
    page.get_by_role("button", name="Next picture").click()
    expect(page.locator("#viewer-title")).not_to_have_text(title)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.go_forward()
    expect(dialog).to_be_visible()
    page.go_back()
    expect(dialog).to_be_hidden()


def test_a_level_of_a_picture_leads_to_its_pictures(page):
    page.locator("#grid a").first.click()
    level = page.locator("#levels a").last
    name = level.inner_text()
    level.click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#status")).to_contain_text(f"of {name}")


def test_a_dropped_photograph_is_compressed_and_can_be_downloaded(page, photographs, tmp_path):
    import base64

    import deepsic

    picture = photographs / "originals" / "in" / "coffee.png"
    page.locator("body").evaluate(DROP, base64.b64encode(picture.read_bytes()).decode())
    dialog = page.get_by_role("dialog", name="dropped.png")
    expect(dialog).to_contain_text("bits per pixel")
    expect(dialog).to_contain_text("dB")
    expect(page.get_by_label(re.compile("Original"))).to_be_visible()
    before = dialog.locator("dd").all_inner_texts()
    page.get_by_label("Quality").select_option("pre-0.25bpp")
    expect(dialog).to_contain_text("pre-0.25bpp")
    expect(dialog.get_by_role("link", name="Download")).to_be_visible()
    assert dialog.locator("dd").all_inner_texts() != before
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "dropped.dsic"
    download.value.save_as(tmp_path / "x.dsic")
    file = deepsic.open(tmp_path / "x.dsic")
    assert file.codec.folder.name == "pre-0.25bpp"
    expect(dialog).to_contain_text(file.label.name)
    page.go_back()
    expect(dialog).to_be_hidden()


def test_a_chosen_file_that_is_no_picture_gets_a_sentence(browser, server, tmp_path):
    (tmp_path / "x.png").write_bytes(b"no picture")
    page = browser.new_page()
    page.goto(server[0])
    expect(page.locator("#model option").nth(1)).to_be_attached()
    page.get_by_label("Compress a photograph").set_input_files(tmp_path / "x.png")
    expect(page.locator("#viewer-status")).to_contain_text("is no picture")
    page.close()


def test_coarse_pictures_come_first(browser, server):
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server[0])
    image = page.locator("#grid img").first
    expect(image).to_have_attribute("src", re.compile("fine"))
    sizes = [url.split("=")[1] for url in asked if "/thumbnail/" in url]
    runs = [size for size, _ in itertools.groupby(sizes)]
    assert runs[0] == "coarse"
    assert "fine" in runs
    page.close()
