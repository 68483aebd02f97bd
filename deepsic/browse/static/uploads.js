// A photograph that is dropped onto the page or chosen: compressed by the server, compared here.

import { go } from "./address.js";
import { $, ask } from "./net.js";
import { clear, compare, fail, fillLevels, fillNumbers } from "./viewer.js";

const DEFAULT = "pre-0.5bpp";
let photograph = null;
let address = null;
let latest = 0;

async function send() {
  const mine = ++latest;
  const file = photograph;
  clear(file.name);
  $("viewer-status").textContent = "Compressing…";
  const is_coded = file.name.endsWith(".dsic");
  if (!is_coded) compare(address);
  try {
    const told = await ask("/api/compress", { model: $("model").value }, { method: "POST", body: file });
    if (mine !== latest) return;
    $("viewer-status").textContent = "";
    $("decoded").alt = `${file.name}, compressed: ${told.name}`;
    $("decoded").width = told.width;
    $("decoded").height = told.height;
    $("decoded").hidden = false;
    $("decoded").src = `/upload/${told.token}.png`;
    fillLevels(told.levels);
    fillNumbers(told);
    $("download").href = `/upload/${told.token}.dsic`;
    $("download").download = `${file.name.replace(/\.[^.]*$/, "")}.dsic`;
    $("download").hidden = $("model-label").hidden = is_coded;
  } catch (error) {
    if (mine !== latest) return;
    compare(null);
    fail(error);
  }
}

function take(file) {
  if (!file) return;
  photograph = file;
  if (address) URL.revokeObjectURL(address);
  address = URL.createObjectURL(file);
  if (!history.state?.upload) go({ picture: null }, { upload: true });
  send();
}

export function connect(models) {
  for (const name of models) $("model").append(new Option(name, name, name === DEFAULT, name === DEFAULT));
  $("model").addEventListener("change", send);
  $("photograph").addEventListener("change", () => {
    take($("photograph").files[0]);
    $("photograph").value = "";
  });
  // Forward again to what was dropped before.
  window.addEventListener("popstate", () => history.state?.upload && photograph && send());
  let depth = 0;
  const hover = (change) => ($("drop").hidden = (depth = change) <= 0);
  document.addEventListener("dragenter", (event) => (event.preventDefault(), hover(depth + 1)));
  document.addEventListener("dragleave", () => hover(depth - 1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    hover(0);
    take(event.dataTransfer.files[0]);
  });
}
