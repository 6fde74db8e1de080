// What changes is shown as it changes: the server sends HTML of the parts, by id. Everything works without this file.

const policy = window.trustedTypes?.createPolicy("page", { createHTML: (html) => html });
const later = new Map(); // parts that somebody is typing in, to be shown when they are done
const dialog = document.getElementById("dialog");
const filter = document.getElementById("filter");
const gone = document.getElementById("gone"); // says that nothing comes from the engine any more

function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = policy ? policy.createHTML(html) : html;
  return template.content;
}

// Show a part anew. What is open stays open, and who had the focus keeps it.
function show(id, html) {
  const old = document.getElementById(id);
  if (!old) return;
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  if (focused?.matches("input:not([type=checkbox]), textarea, select")) {
    later.set(id, html);
    return;
  }
  if (html === null) {
    old.remove();
    refilter();
    return;
  }
  const fresh = parsed(html).firstElementChild;
  for (const details of fresh.querySelectorAll("details[id]")) {
    const before = document.getElementById(details.id);
    if (before) details.open = before.open;
  }
  if (fresh.isEqualNode(old)) return;
  old.replaceWith(fresh);
  refilter();
  if (focused) {
    const next = document.getElementById(focused.id) ?? items().at(Math.min(place, items().length - 1));
    (next ?? document.getElementById("main")).focus({ preventScroll: true });
  }
}

addEventListener("focusout", () => {
  setTimeout(() => {
    const waiting = [...later];
    later.clear();
    for (const [id, html] of waiting) show(id, html);
  });
});

// The stream of changes, while somebody looks.

const PATIENCE = 5_000; // a stream that broke off comes again within three seconds

let source = null;

function listen() {
  if (document.hidden || source || !document.body.dataset.at) return;
  const address = new URL(location.href);
  address.searchParams.set("at", document.body.dataset.at);
  source = new EventSource(address);
  source.addEventListener("part", (event) => {
    document.body.dataset.at = event.lastEventId;
    const { id, html } = JSON.parse(event.data);
    show(id, html);
  });
  source.addEventListener("open", () => (gone.hidden = true));
  source.addEventListener("error", ({ target }) => {
    const typed = document.querySelector("form[data-keep]"); // nothing that somebody types is thrown away
    if (target.readyState === EventSource.CLOSED && !typed) location.reload();
    setTimeout(() => (gone.hidden &&= source !== target || target.readyState === EventSource.OPEN), PATIENCE);
  });
}

function rest() {
  source?.close();
  source = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
addEventListener("pagehide", rest);
addEventListener("pageshow", listen);

// Forms that stay on their page, and pages that come as a dialog.

async function fetched(address, options) {
  const response = await fetch(address, options).catch(() => null);
  gone.hidden = response !== null;
  if (!response) return null;
  const content = parsed(await response.text());
  const word = content.querySelector("[name=form_token]")?.value; // that of another visit, where one began elsewhere
  if (word) for (const field of document.getElementsByName("form_token")) field.value = word;
  return { url: response.url, redirected: response.redirected, content };
}

// What a form came to: this page with something said, another page, or a refusal.
function answer({ url, redirected, content }) {
  if (new URL(url).pathname === location.pathname && content.querySelector("#said")) {
    const parts = [...content.querySelectorAll("[data-part]")].filter((one) => !one.parentElement?.closest("[data-part]"));
    for (const part of parts) show(part.id, part.outerHTML);
    dialog.close();
  } else if (redirected) location.assign(url);
  else open(content, content.querySelector("#panel, main"));
}

function open(content, panel) {
  const title = document.createElement("h2");
  title.id = "dialog-title";
  title.textContent = content.querySelector("h1")?.textContent ?? "";
  content.querySelector("h1")?.remove();
  dialog.replaceChildren(title, ...(panel.id === "panel" ? [panel] : panel.childNodes));
  if (!dialog.open) dialog.showModal();
}

addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("form[data-live]")) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  event.submitter?.setAttribute("aria-busy", "true");
  try {
    const headers = { "x-at": location.pathname };
    if (source?.readyState === EventSource.OPEN) headers.prefer = "return=minimal";
    const found = await fetched(form.action, { method: "POST", body, headers });
    if (found) answer(found);
  } finally {
    event.submitter?.removeAttribute("aria-busy");
  }
});

let opener = "";

addEventListener("click", async (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (dialog.contains(link) && link.origin + link.pathname === location.origin + location.pathname) {
    event.preventDefault();
    dialog.close();
  } else if (link.matches("[data-dialog]")) {
    event.preventDefault();
    const found = await fetched(link.href);
    if (!found) return;
    const panel = found.content.getElementById("panel");
    if (!panel) location.assign(link.href);
    opener = link.id;
    if (panel) open(found.content, panel);
  }
});

dialog.addEventListener("close", () => {
  dialog.replaceChildren();
  if (!document.activeElement || document.activeElement === document.body) {
    (document.getElementById(opener) ?? document.getElementById("main")).focus();
  }
});

// Where things wait for an answer j and k go down and up, and other keys press the button that names them. The place is
// kept: what was answered goes away.

let place = 0;

const items = () => [...document.querySelectorAll("[data-item]")];
const here = () => items().findIndex((item) => item.contains(document.activeElement));

addEventListener("focusin", () => {
  if (here() >= 0) place = here();
});

addEventListener("keydown", ({ key, target, ctrlKey, metaKey, altKey }) => {
  if (ctrlKey || metaKey || altKey || dialog.open || target.matches("input, textarea, select")) return;
  const all = items();
  if (key === "j" || key === "k") {
    const next = here() < 0 ? place : here() + (key === "j" ? 1 : -1);
    all.at(Math.min(Math.max(next, 0), all.length - 1))?.focus();
  } else if (here() >= 0) all[here()].querySelector(`[data-key="${CSS.escape(key)}"]`)?.click();
});

// How long ago something was stays true while somebody looks.

const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 0]];

setInterval(() => {
  for (const time of document.querySelectorAll("time[data-age]")) {
    const seconds = Math.max(0, Math.floor((Date.now() - new Date(time.dateTime)) / 1000));
    const [unit, length] = UNITS.find(([, least]) => seconds >= least);
    time.textContent = `${Math.floor(seconds / (length || 1))} ${unit} ago`;
  }
}, 10_000);

// What is said of an element goes away with Escape, until it is pointed at anew.

addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const tip of document.querySelectorAll(".tip:is(:hover, :focus-within)")) {
    tip.classList.add("dismissed");
    const back = () => tip.classList.remove("dismissed");
    for (const kind of ["mouseleave", "focusout"]) tip.addEventListener(kind, back, { once: true });
  }
});

// A group that was closed stays closed in this browser. One that keeps nothing has them all open.

const SHELF = `closed ${location.pathname}`;

try {
  const closed = new Set(JSON.parse(localStorage.getItem(SHELF)));
  for (const group of document.querySelectorAll(".group > details")) group.open = !closed.has(group.id);
} catch {}

addEventListener("toggle", ({ target }) => {
  if (!target.matches(".group > details")) return;
  const closed = [...document.querySelectorAll(".group > details:not([open])")].map((group) => group.id);
  try {
    localStorage.setItem(SHELF, JSON.stringify(closed));
  } catch {}
}, true);

// The search: all servers are in the page, and those that it does not find are hidden.

let due = 0;

function refilter() {
  if (filter && !due) due = setTimeout(search);
}

function search() {
  due = 0;
  const wanted = filter.elements.q.value.trim().toLowerCase();
  const health = filter.elements.health.value;
  const rows = [...document.querySelectorAll("tr[data-health]")];
  for (const row of rows) {
    const named = row.querySelector("th").textContent.toLowerCase().includes(wanted);
    row.hidden = !named || (health !== "" && row.dataset.health !== health);
  }
  for (const group of document.querySelectorAll(".group")) group.hidden = !group.querySelector("tr[data-health]:not([hidden])");
  const found = rows.filter((row) => !row.hidden).length;
  document.getElementById("found").value = `${found} of ${rows.length}`;
}

if (filter) {
  document.getElementById("search").hidden = true;
  filter.addEventListener("input", refilter);
  filter.addEventListener("submit", (event) => event.preventDefault());
}
