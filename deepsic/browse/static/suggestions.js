// The search box: a combobox of what the archive shows, with counts.

import { $, ask, make } from "./net.js";

export function connect(choose) {
  const box = $("words");
  const list = $("suggestions");
  let found = [];
  let active = -1;
  let latest = 0;

  const show = (open) => {
    list.hidden = !open;
    box.setAttribute("aria-expanded", String(open));
    if (!open) mark(-1);
  };
  const mark = (index) => {
    active = index;
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === index)));
    if (index < 0) box.removeAttribute("aria-activedescendant");
    else {
      box.setAttribute("aria-activedescendant", list.children[index].id);
      list.children[index].scrollIntoView({ block: "nearest" });
    }
  };
  const take = (index) => {
    const node = found[index];
    show(false);
    box.value = node.name;
    choose(node.node, node.name);
  };
  const fill = () => {
    list.replaceChildren(
      ...found.map((node, i) =>
        make(
          "li",
          { id: `suggestion-${i}`, role: "option", onmousedown: (e) => (e.preventDefault(), take(i)) },
          make("span", { textContent: node.name }),
          make("span", { className: "kind", textContent: node.kind }),
          make("span", { className: "count", textContent: node.count }),
        ),
      ),
    );
    show(found.length > 0);
  };
  const update = async () => {
    const number = ++latest;
    const answer = box.value.trim() ? await ask("/api/suggest", { q: box.value }) : [];
    if (number !== latest) return false;
    found = answer;
    fill();
    return true;
  };

  box.addEventListener("input", () => update().catch(() => show(false)));
  box.addEventListener("blur", () => show(false));
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") show(false);
    if (!["ArrowDown", "ArrowUp"].includes(event.key) || !found.length) return;
    event.preventDefault();
    if (list.hidden) show(true);
    const step = event.key === "ArrowDown" ? 1 : -1;
    mark((active + step + found.length) % found.length);
  });
  $("search").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!box.value.trim()) return choose(null, "");
    if (active < 0) await update().catch(() => {});
    if (found.length) take(Math.max(active, 0));
    else $("status").textContent = `Nothing here is called “${box.value.trim()}”.`;
  });
}
