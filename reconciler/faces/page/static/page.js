// What changes is shown as it changes: the server sends HTML of the parts, by id. Everything works without this file.

const policy = window.trustedTypes?.createPolicy("page", { createHTML: (html) => html });
const later = new Map(); // parts that somebody is typing in, to be shown when they are done

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
    return;
  }
  const fresh = parsed(html).firstElementChild;
  for (const details of fresh.querySelectorAll("details[id]")) {
    const before = document.getElementById(details.id);
    if (before) details.open = before.open;
  }
  if (fresh.isEqualNode(old)) return;
  old.replaceWith(fresh);
  if (focused?.id) document.getElementById(focused.id)?.focus({ preventScroll: true });
}

addEventListener("focusout", () => {
  setTimeout(() => {
    const waiting = [...later];
    later.clear();
    for (const [id, html] of waiting) show(id, html);
  });
});

// The stream of changes, while somebody looks.

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
  source.addEventListener("error", () => {
    if (source?.readyState === EventSource.CLOSED) location.reload();
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
  const response = await fetch(address, options);
  return { url: response.url, content: parsed(await response.text()) };
}

addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("form[data-live]")) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  const { url, content } = await fetched(form.action, { method: "POST", body });
  const parts = content.querySelectorAll("[data-part]");
  if (new URL(url).pathname !== location.pathname || !parts.length) {
    location.assign(url);
    return;
  }
  for (const part of parts) if (!part.parentElement?.closest("[data-part]")) show(part.id, part.outerHTML);
});

addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const { content } = await fetched(link.href);
  const panel = content.getElementById("panel");
  if (!panel) {
    location.assign(link.href);
    return;
  }
  const dialog = document.getElementById("dialog");
  dialog.replaceChildren(panel);
  dialog.showModal();
});
