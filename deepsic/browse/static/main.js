// Puts the parts of the page together.

import { go, read, replace } from "./address.js";
import * as grid from "./grid.js";
import { $, ask } from "./net.js";
import * as suggestions from "./suggestions.js";
import * as uploads from "./uploads.js";
import * as viewer from "./viewer.js";

function update() {
  grid.update();
  viewer.update();
}

suggestions.connect((node) => go({ node, picture: null }));
grid.connect((least) => replace({ least }));
viewer.connect();
$("home").addEventListener("click", (event) => {
  event.preventDefault();
  go({ node: null, least: null, picture: null });
});
window.addEventListener("popstate", update);
window.addEventListener("moved", update);
// After a reload there is no photograph any more.
if (history.state?.upload) history.replaceState(null, "", location.href);
if (read().picture !== null) history.replaceState(null, "", location.href);
update();
const archive = await ask("/api/archive").catch(() => ({ models: [] }));
uploads.connect(archive.models);
