"use strict";
// What every page does beyond links and forms. All of it is a convenience: the pages work without.
(() => {
  const all = (selector, root = document) => root.querySelectorAll(selector);
  const one = (selector, root = document) => root.querySelector(selector);
  const phone = matchMedia("(max-width: 639.98px)");

  // Ages: <time data-age> holds the moment, we keep "2 min ago" true.
  function age(seconds) {
    if (seconds < 60) return "just now";
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
    return `${Math.floor(seconds / 86400)} days ago`;
  }
  function showAges() {
    for (const time of all("[data-age]")) time.textContent = age((Date.now() - Date.parse(time.dateTime)) / 1000);
  }

  // Toasts: one at a time, at the bottom right; a wrong one stays until it is acted on.
  let fading;
  function toast(words, title = "", again = null) {
    const box = document.createElement("div");
    box.className = title ? "toast wrong" : "toast";
    const text = box.appendChild(document.createElement("span"));
    if (title) text.appendChild(document.createElement("strong")).textContent = `${title} `;
    text.append(words);
    if (again) {
      const button = box.appendChild(document.createElement("button"));
      button.className = "link";
      button.textContent = "Try again";
      button.addEventListener("click", () => { hush(); again(); });
    }
    one("#toast").replaceChildren(box);
    clearTimeout(fading);
    if (!title) fading = setTimeout(hush, 3000);
  }
  function hush() {
    one("#toast")?.replaceChildren();
  }

  async function copy(text, said) {
    try {
      await navigator.clipboard.writeText(text);
    } catch { // no clipboard without https
      const field = document.body.appendChild(document.createElement("textarea"));
      field.value = text;
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    toast(said);
  }

  // Theme: shown at once, stored in the background.
  function chooseTheme(theme) {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    for (const button of all("[data-theme-form] button")) {
      button.setAttribute("aria-pressed", String(button.value === theme));
    }
    one("[data-theme-name]").textContent = theme[0].toUpperCase() + theme.slice(1);
    document.dispatchEvent(new Event("theme"));
    const headers = { "HX-Request": "true", "HX-Request-Type": "partial" };
    fetch(one("[data-theme-form]").action, { method: "POST", body: new URLSearchParams({ theme }), headers })
      .then((answer) => answer.ok || toast(`The server answered ${answer.status}.`, "Not kept."))
      .catch(() => toast("The server does not answer.", "Not kept."));
  }

  function closeMenus(except) {
    for (const menu of all("details.menu[open]")) {
      if (menu.contains(except) || (menu.matches(".fold") && !phone.matches)) continue;
      if (menu.contains(document.activeElement)) one("summary", menu).focus();
      menu.open = false;
    }
  }

  document.addEventListener("click", (event) => {
    closeMenus(event.target);
    const button = event.target.closest("button");
    if (button?.dataset.copy) copy(button.dataset.copy, "Copied.");
    if (button?.matches("[data-show-keys]")) one("dialog.keys").showModal();
  });
  document.addEventListener("submit", (event) => {
    closeMenus(null);
    if (!event.target.matches("[data-theme-form]")) return;
    event.preventDefault();
    chooseTheme(event.submitter.value);
  });
  document.addEventListener("change", ({ target }) => target.matches("[type=radio][name=theme]") && chooseTheme(target.value));

  // Keys, listed by "?". Off while typing, with modifiers, and where the person switched them off.
  let goingAt = 0; // when "g" was pressed
  const press = (selector) => one(selector)?.click();
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeMenus(null);
    if (!one("[data-show-keys]") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, dialog") || !/^[a-z?[\]]$/.test(event.key)) return;
    const going = Date.now() - goingAt < 1500;
    goingAt = event.key === "g" && !going ? Date.now() : 0;
    if (going) press(`[data-go="${event.key}"]`);
    else if (event.key === "?") one("dialog.keys").showModal();
    else if (event.key === "c") copy(location.href, "Link copied.");
    else press(`[data-key="${event.key}"]`);
  });

  // htmx. Elements marked data-quiet ask by themselves: they pause in the background and fail in silence.
  const isQuiet = (event) => event.detail.ctx?.sourceElement?.closest("[data-quiet], [hidden]");
  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    if (document.hidden && ctx.sourceElement.matches("[data-quiet]")) event.preventDefault();
    for (const [name, value] of [...ctx.request.body]) if (value === "") ctx.request.body.delete(name);
  });
  document.addEventListener("htmx:before:request", (event) => {
    if (!isQuiet(event)) event.detail.ctx.target?.setAttribute("aria-busy", "true");
  });
  document.addEventListener("htmx:finally:request", (event) => {
    event.detail.ctx.target?.removeAttribute("aria-busy");
  });
  const retry = ({ sourceElement, request, target, swap }) => request.method === "POST"
    ? () => sourceElement.requestSubmit()
    : () => htmx.ajax("GET", request.action, { source: sourceElement, target, swap, push: "true" });
  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx } = event.detail;
    const status = ctx.response?.status ?? 200;
    hadFocus = document.activeElement !== document.body;
    if (ctx.hx?.reswap) return; // a form with its errors
    if (status < 400) return isQuiet(event) || hush();
    event.preventDefault(); // what was there stays
    if (isQuiet(event)) return;
    const said = new DOMParser().parseFromString(ctx.text, "text/html").querySelector("[data-error]")?.textContent;
    const wait = ctx.response.headers.get("Retry-After");
    toast(`${said ?? `The server answered ${status}.`}${wait ? ` In ${wait} s it can go on.` : ""}`, "Not updated.", retry(ctx));
  });
  document.addEventListener("htmx:error", (event) => {
    const { ctx } = event.detail;
    if (ctx?.request && !ctx.response && !isQuiet(event)) toast("The server does not answer.", "Not updated.", retry(ctx));
  });

  // Whatever the server can not know about the browser.
  function settle() {
    showAges();
    for (const element of all("[data-needs-script]")) element.hidden = false;
    for (const option of all(".filters option")) option.selected = option.defaultSelected;
    for (const form of all("form.bar")) form.reset();
  }
  let hadFocus = false; // whether what is swapped held it; when its place is gone, the page gets it
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    settle();
    if (ctx.request?.method === "POST" && ctx.response.status < 400) ctx.request.form.reset(); // shows what is kept
    if (hadFocus && document.activeElement === document.body) (ctx.target.closest("[tabindex]") ?? one("#main")).focus({ preventScroll: true });
  });
  addEventListener("pagehide", () => one("[data-once]")?.remove()); // going back shows no secret again
  document.addEventListener("DOMContentLoaded", () => {
    settle();
    if (phone.matches) closeMenus(null);
    one(".nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    const zone = one("[data-guess-zone]");
    const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone && [...zone.options].some((option) => option.value === here)) zone.value = here;
    setInterval(showAges, 30000);
  });
})();
