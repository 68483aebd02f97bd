// One picture: what it shows, its numbers, and the original beside it.

import { go, read } from "./address.js";
import { neighbours } from "./grid.js";
import { $, ask, make, percent, size } from "./net.js";

let latest = 0;

export function slide() {
  const share = Number($("slider").value);
  $("original").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
}

export function compare(source) {
  $("original").hidden = $("slider-label").hidden = !source;
  if (!source) return $("original").removeAttribute("src");
  $("original").onerror = () => compare(null);
  $("original").src = source;
  $("slider").value = 50;
  slide();
}

export function fillLevels(levels) {
  $("levels").replaceChildren(
    ...levels.map(({ node, name }) =>
      make("li", {}, node === undefined ? name : make("a", {
        href: `/?node=${node}`,
        textContent: name,
        onclick: (event) => (event.preventDefault(), go({ node, picture: null })),
      })),
    ),
  );
}

export function fillNumbers(told) {
  const others = told.alternatives.map((a) => `${a.name} (${percent(a.probability)})`).join(", ");
  const rows = [
    ["Probability", percent(told.probability)],
    ["Or", others],
    ["Picture", `${told.width} × ${told.height}`],
    ["File", size(told.bytes)],
    ["Rate", `${told.bpp.toFixed(3)} bits per pixel`],
    ["PSNR", told.psnr ? `${told.psnr.toFixed(2)} dB` : ""],
    ["Original", told.original_bytes ? size(told.original_bytes) : ""],
    ["Model", told.model ?? ""],
    ["Path", told.path ?? ""],
  ].filter(([, text]) => text);
  $("numbers").replaceChildren(
    ...rows.flatMap(([name, text]) => [make("dt", { textContent: name }), make("dd", { textContent: text })]),
  );
}

export function clear(title) {
  $("viewer-title").textContent = title;
  $("viewer-status").textContent = "";
  $("viewer-status").className = "";
  for (const id of ["levels", "numbers"]) $(id).replaceChildren();
  for (const id of ["previous", "next", "model-label", "download"]) $(id).hidden = true;
  $("decoded").removeAttribute("src");
  $("decoded").alt = "";
  $("decoded").hidden = true;
  compare(null);
  if (!$("viewer").open) $("viewer").showModal();
}

export function fail(error) {
  $("viewer-status").textContent = error.message;
  $("viewer-status").className = "error";
}

// The thumbnail stands in until the picture is decoded.
function load(number, told) {
  const picture = $("decoded");
  picture.width = told.width;
  picture.height = told.height;
  picture.alt = told.name ?? "not classified";
  picture.hidden = false;
  picture.src = `/thumbnail/${number}?size=coarse`;
  const whole = new Image();
  const mine = latest;
  whole.onload = () => mine === latest && (picture.src = whole.src);
  whole.onerror = async () => {
    const answer = await fetch(whole.src);
    if (mine === latest && !answer.ok) fail(new Error((await answer.json()).error));
  };
  whole.src = `/picture/${number}.png`;
}

async function open(number) {
  const mine = ++latest;
  clear("");
  try {
    const told = await ask(`/api/picture/${number}`);
    if (mine !== latest) return;
    $("viewer-title").textContent = told.name ?? "Not classified";
    load(number, told);
    fillLevels(told.levels);
    fillNumbers(told);
    $("download").href = `/file/${number}.dsic`;
    $("download").hidden = false;
    if (told.original) compare(`/original/${number}.png`);
    [$("previous"), $("next")].forEach((button, i) => (button.hidden = neighbours(number)[i] === null));
  } catch (error) {
    if (mine === latest) fail(error);
  }
}

function turn(step) {
  const to = neighbours(read().picture)[step];
  if (to !== null && to !== undefined) {
    history.replaceState(history.state, "", `?${new URLSearchParams({ ...Object.fromEntries(new URLSearchParams(location.search)), picture: to })}`);
    open(to);
  }
}

export function close() {
  if (history.state?.inside) history.back();
  else go({ picture: null });
}

let current = null;

export function update() {
  const { picture } = read();
  const upload = history.state?.upload;
  if (picture !== null && picture !== current) open(picture);
  if (picture === null && !upload && $("viewer").open) {
    ++latest;
    $("viewer").close();
  }
  current = picture;
}

// Dragging over the picture moves the slider.
function drag(event) {
  if (!event.buttons || $("slider-label").hidden) return;
  const { left, width } = $("original").getBoundingClientRect();
  $("slider").value = (100 * (event.clientX - left)) / width;
  slide();
}

export function connect() {
  for (const kind of ["pointerdown", "pointermove"]) $("frame").addEventListener(kind, drag);
  $("frame").addEventListener("dragstart", (event) => event.preventDefault());
  $("slider").addEventListener("input", slide);
  $("close").addEventListener("click", close);
  $("previous").addEventListener("click", () => turn(0));
  $("next").addEventListener("click", () => turn(1));
  $("viewer").addEventListener("cancel", (event) => (event.preventDefault(), close()));
  $("viewer").addEventListener("keydown", (event) => {
    if (["INPUT", "SELECT"].includes(event.target.tagName)) return;
    if (event.key === "ArrowLeft") turn(0);
    if (event.key === "ArrowRight") turn(1);
  });
}
