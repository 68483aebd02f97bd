// Questions to the server, and elements made of their answers.

export async function ask(path, parameters = {}, options = {}) {
  const query = new URLSearchParams(
    Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined),
  );
  const answer = await fetch(`${path}?${query}`, options);
  const told = await answer.json().catch(() => ({ error: "the server does not answer." }));
  if (!answer.ok) throw new Error(told.error);
  return told;
}

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const $ = (id) => document.getElementById(id);

export const percent = (probability) =>
  probability === null ? "" : probability < 0.005 ? "<1%" : `${Math.round(100 * probability)}%`;

export const size = (bytes) =>
  bytes < 1e4 ? `${bytes} bytes` : bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
