// What is looked at, as the page's address has it, so that the back button goes back.

const NAMES = ["node", "least", "picture"];

export function read() {
  const query = new URLSearchParams(location.search);
  return Object.fromEntries(NAMES.map((name) => [name, query.has(name) ? Number(query.get(name)) : null]));
}

export function link(changes) {
  const state = { ...read(), ...changes };
  const query = new URLSearchParams();
  for (const name of NAMES) if (state[name] !== null) query.set(name, state[name]);
  return `/${query.size ? "?" : ""}${query}`;
}

export function go(changes, data = {}) {
  history.pushState({ inside: true, ...data }, "", link(changes));
  window.dispatchEvent(new Event("moved"));
}

export function replace(changes) {
  history.replaceState(history.state, "", link(changes));
  window.dispatchEvent(new Event("moved"));
}

// Plain clicks on links within the page do not load it anew.
export function follow(event, changes) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go(changes);
}
