"use strict";
// The gallery: pictures side by side, a crop at native pixels, and two over each other.
const data = JSON.parse(document.getElementById("gallery-data").textContent);
const $ = (id) => document.getElementById(id);
const state = { picture: 0, rate: data.rates.length - 1, mode: "slider", error: false, zoom: 2, x: 0.5, y: 0.5 };
const bitmaps = new Map();
let turn = 0, timer = 0;

async function bitmapOf(key) {
  if (!bitmaps.has(key)) {
    const image = new Image();
    image.src = data.images[key];
    bitmaps.set(key, image.decode().then(() => image));
  }
  return bitmaps.get(key);
}

function pixelsOf(image) {
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

// Absolute differences of the channels' mean, eight times as large, dark on white.
function errorOf(original, decoded) {
  const a = pixelsOf(original), b = pixelsOf(decoded);
  const out = new ImageData(a.width, a.height);
  for (let i = 0; i < a.data.length; i += 4) {
    const d = Math.abs(a.data[i] - b.data[i]) + Math.abs(a.data[i + 1] - b.data[i + 1]) + Math.abs(a.data[i + 2] - b.data[i + 2]);
    out.data[i] = out.data[i + 1] = out.data[i + 2] = 255 - Math.min(255, (8 * d) / 3);
    out.data[i + 3] = 255;
  }
  const canvas = new OffscreenCanvas(a.width, a.height);
  canvas.getContext("2d").putImageData(out, 0, 0);
  return canvas;
}

async function sourceOf(tile, tiles, error) {
  const image = await bitmapOf(tile.image);
  return error && tile !== tiles[0] ? errorOf(await bitmapOf(tiles[0].image), image) : image;
}

function draw(canvas, source, picture) {
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d").drawImage(source, 0, 0);
}

function current() {
  const picture = data.pictures[state.picture];
  return { picture, tiles: picture.rates[state.rate].tiles };
}

function element(tag, parent, text, name) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (name) made.className = name;
  parent.append(made);
  return made;
}

function describe(card, tile) {
  const list = element("dl", card);
  const lines = [["bpp", tile.bpp.toFixed(3)]];
  if (tile.psnr_rgb !== undefined) {
    lines.push(["PSNR", `${tile.psnr_rgb.toFixed(2)} dB`], ["luma", `${tile.psnr_luma.toFixed(2)} dB`]);
    if (tile.ms_ssim_rgb !== null) lines.push(["MS-SSIM", tile.ms_ssim_rgb.toFixed(4)]);
  }
  if (tile.label) lines.push(["label", tile.label]);
  if (tile.setting) lines.push(["with", tile.setting]);
  if (tile.note) lines.push(["note", tile.note]);
  for (const [term, value] of lines) { element("dt", list, term); element("dd", list, value); }
}

function drawCrop(canvas, source, picture) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  const scale = state.zoom * ratio, width = canvas.width / scale, height = canvas.height / scale;
  const left = Math.round(Math.max(0, Math.min(picture.width - width, state.x * picture.width - width / 2)));
  const top = Math.round(Math.max(0, Math.min(picture.height - height, state.y * picture.height - height / 2)));
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(source, left, top, width, height, 0, 0, canvas.width, canvas.height);
  return { left, top, width, height };
}

function placeFrame(frame, crop, picture) {
  frame.style.left = `${(100 * crop.left) / picture.width}%`;
  frame.style.top = `${(100 * crop.top) / picture.height}%`;
  frame.style.width = `${(100 * Math.min(crop.width, picture.width)) / picture.width}%`;
  frame.style.height = `${(100 * Math.min(crop.height, picture.height)) / picture.height}%`;
}

let cards = [];

function oursFirst(tiles) {
  return [...tiles.filter((tile) => tile.ours), ...tiles.filter((tile) => !tile.ours)];
}

async function showCards() {
  const { picture, tiles } = current();
  const box = $("cards"), made = [];
  const next = document.createDocumentFragment();
  for (const tile of oursFirst(tiles)) {
    const card = element("article", next, "", "card");
    element("h3", card, tile.codec);
    if (tile.missing) { element("p", card, tile.missing, "missing"); continue; }
    const holder = element("div", card, "", "picture");
    const canvas = element("canvas", holder);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${picture.name}, ${tile.codec}`);
    const frame = element("div", holder, "", "frame");
    const crop = element("canvas", card, "", "crop");
    const source = await sourceOf(tile, tiles, state.error);
    draw(canvas, source, picture);
    describe(card, tile);
    holder.addEventListener("click", (event) => {
      const area = holder.getBoundingClientRect();
      state.x = (event.clientX - area.left) / area.width;
      state.y = (event.clientY - area.top) / area.height;
      showCrops();
    });
    made.push({ crop, frame, source, picture });
  }
  if (current().tiles !== tiles) return;
  box.replaceChildren(next);
  cards = made;
  showCrops();
}

function showCrops() {
  for (const { crop, frame, source, picture } of cards) placeFrame(frame, drawCrop(crop, source, picture), picture);
}

function fillChoices() {
  const { tiles } = current();
  const there = oursFirst(tiles).filter((tile) => !tile.missing);
  // Ours against the first other codec.
  const other = Math.max(0, there.findIndex((tile) => !tile.ours && tile !== tiles[0]));
  for (const [id, fallback] of [["left", 0], ["right", other]]) {
    const select = $(id), before = select.selectedIndex < 0 ? "" : select.value;
    select.replaceChildren();
    for (const tile of there) {
      const option = element("option", select, tile.codec);
      option.value = tile.codec;
    }
    select.value = there.some((t) => t.codec === before) ? before : there[fallback].codec;
  }
}

async function showStage() {
  const { picture, tiles } = current();
  const sides = [$("left").value, $("right").value].map((name) => tiles.find((t) => t.codec === name));
  const sources = await Promise.all(sides.map((tile) => sourceOf(tile, tiles, state.error)));
  if (current().tiles !== tiles) return;
  draw($("under"), sources[0], picture);
  draw($("over"), sources[1], picture);
  const tag = (tile) => `${tile.codec}, ${tile.bpp.toFixed(2)} bpp`;
  $("tag-left").textContent = tag(sides[0]);
  $("tag-right").textContent = tag(sides[1]);
  placeOver();
}

function placeOver() {
  const slider = state.mode === "slider", at = Number($("position").value);
  $("over").style.clipPath = slider ? `inset(0 0 0 ${at}%)` : "none";
  $("over").style.visibility = slider || turn % 2 ? "visible" : "hidden";
  $("edge").hidden = !slider;
  $("edge").style.left = `${at}%`;
  $("position").disabled = !slider;
  $("tag-left").style.visibility = slider || turn % 2 === 0 ? "visible" : "hidden";
  $("tag-right").style.visibility = slider || turn % 2 ? "visible" : "hidden";
}

function setMode(mode) {
  state.mode = mode;
  clearInterval(timer);
  turn = 0;
  if (mode === "flicker") timer = setInterval(() => { turn += 1; placeOver(); }, 600);
  placeOver();
}

function buttons(id, labels, chosen, act) {
  const box = $(id);
  labels.forEach((label, i) => {
    const button = element("button", box, label);
    button.type = "button";
    button.setAttribute("aria-pressed", String(i === chosen));
    button.addEventListener("click", () => {
      for (const other of box.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
      act(i);
    });
  });
}

async function showAll() {
  fillChoices();
  await Promise.all([showStage(), showCards()]);
  document.body.dataset.ready = `${state.picture} ${state.rate}`;
}

function drag(event) {
  if (state.mode !== "slider" || !event.buttons) return;
  const area = $("stage").getBoundingClientRect();
  $("position").value = String((100 * (event.clientX - area.left)) / area.width);
  placeOver();
}

buttons("pictures", data.pictures.map((p) => p.name), state.picture, (i) => { state.picture = i; showAll(); });
buttons("rates", data.rates.map((r) => `${r} bpp`), state.rate, (i) => { state.rate = i; showAll(); });
buttons("modes", ["slider", "flicker"], 0, (i) => setMode(["slider", "flicker"][i]));
buttons("zooms", ["1×", "2×", "4×"], 1, (i) => { state.zoom = [1, 2, 4][i]; showCrops(); });
$("error").addEventListener("click", () => {
  state.error = !state.error;
  $("error").setAttribute("aria-pressed", String(state.error));
  showStage();
  showCards();
});
$("left").addEventListener("change", showStage);
$("right").addEventListener("change", showStage);
$("position").addEventListener("input", placeOver);
$("stage").addEventListener("pointerdown", drag);
$("stage").addEventListener("pointermove", drag);
window.addEventListener("resize", showCrops);
showAll();
