// The thumbnails, and the levels and kinds beside them.

import { follow, link, read } from "./address.js";
import { $, ask, make, percent } from "./net.js";

const MOST = 60;
let numbers = [];
let shown = null;
let latest = 0;

// Coarse pictures first; fine ones of what can be seen, which are given up with their tiles.
const coming = new Set();
const seen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      const fine = new Image();
      coming.add(fine);
      fine.onload = () => {
        coming.delete(fine);
        target.src = fine.src;
      };
      fine.src = target.dataset.fine;
    }
  },
  { rootMargin: "100px" },
);

function tile(item) {
  const name = item.name ?? "not classified";
  const picture = make("img", {
    alt: [name, percent(item.probability)].filter(Boolean).join(", "),
    loading: "lazy",
    width: 160,
    height: 160,
  });
  picture.dataset.fine = `/thumbnail/${item.number}?size=fine`;
  picture.onload = () => ((picture.onload = null), seen.observe(picture));
  picture.onerror = () => (picture.alt = `${name}: it cannot be decoded`);
  picture.src = `/thumbnail/${item.number}?size=coarse`;
  const open = { picture: item.number };
  return make(
    "li",
    {},
    make(
      "a",
      { href: link(open), onclick: (event) => follow(event, open) },
      picture,
      make("span", { textContent: `${name} ${percent(item.probability)}`, title: item.path, ariaHidden: "true" }),
    ),
  );
}

function step(node, here) {
  const move = { node: node.node, picture: null };
  return make(
    "li",
    {},
    make(
      "a",
      { href: link(move), onclick: (event) => follow(event, move), ...(here ? { "aria-current": "page" } : {}) },
      make("span", { textContent: node.name }),
      make("span", { className: "count", textContent: node.count ?? "" }),
    ),
  );
}

function fillSides(answer) {
  const all = { node: null, name: "Everything", count: answer.all };
  const path = [all, ...answer.path];
  $("path").replaceChildren(...path.map((node, i) => step(node, i === path.length - 1)));
  $("below").replaceChildren(...answer.below.map((node) => step(node, false)));
  $("below-title").hidden = !answer.below.length;
}

export async function update() {
  const { node, least } = read();
  const key = `${node} ${least}`;
  if (key === shown) return;
  shown = key;
  const number = ++latest;
  const percentage = Math.round(100 * (least ?? 0));
  $("least").value = percentage;
  $("least-text").textContent = `${percentage}%`;
  try {
    const answer = await ask("/api/search", { node, least, most: MOST });
    if (number !== latest) return;
    const name = answer.path.at(-1)?.name;
    $("words").value = name ?? "";
    document.title = name ? `${name} – Archive` : "Archive";
    $("status").className = "";
    const noun = answer.count === 1 ? "picture" : "pictures";
    $("status").textContent = `${answer.count} ${noun}${name ? ` of ${name}` : ""}`;
    numbers = [];
    for (const fine of coming) fine.src = "";
    coming.clear();
    $("grid").replaceChildren();
    fillSides(answer);
    add(answer);
  } catch (error) {
    shown = null;
    fail(error);
  }
}

function fail(error) {
  $("status").textContent = error.message;
  $("status").className = "error";
}

function add(answer) {
  numbers.push(...answer.items.map((item) => item.number));
  $("grid").append(...answer.items.map(tile));
  $("more").hidden = numbers.length >= answer.count;
}

async function more() {
  const { node, least } = read();
  const number = latest;
  $("more").disabled = true;
  try {
    const answer = await ask("/api/search", { node, least, most: MOST, skip: numbers.length });
    if (number === latest) add(answer);
  } catch (error) {
    fail(error);
  } finally {
    $("more").disabled = false;
  }
}

// The pictures around one in the list.
export function neighbours(number) {
  const at = numbers.indexOf(number);
  return at < 0 ? [null, null] : [numbers[at - 1] ?? null, numbers[at + 1] ?? null];
}

// Arrow keys walk over the grid.
function walk(event) {
  const links = [...$("grid").querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  if (at < 0) return;
  const columns = Math.max(1, links.findIndex((a) => a.offsetTop > links[0].offsetTop));
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  const to = links[at + (steps[event.key] ?? 0)];
  if (!(event.key in steps) || !to) return;
  event.preventDefault();
  to.focus();
}

export function connect(setLeast) {
  $("grid").addEventListener("keydown", walk);
  $("more").addEventListener("click", more);
  $("least").addEventListener("input", () => ($("least-text").textContent = `${$("least").value}%`));
  $("least").addEventListener("change", () => setLeast(Number($("least").value) / 100 || null));
  new IntersectionObserver(
    ([entry]) => entry.isIntersecting && !$("more").disabled && more(),
    { rootMargin: "400px" },
  ).observe($("more"));
}
